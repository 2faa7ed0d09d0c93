"""Recorded and live raw data of receivers, RTCM 3 and UBX, to epochs and broadcast sets."""
