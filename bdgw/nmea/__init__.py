"""NMEA 0183 from version 2 to 4.11: sentences, satellite numbering, epochs, dates."""
