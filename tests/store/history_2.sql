-- A history file of version 2, written out by hand.
CREATE TABLE stream (id INTEGER PRIMARY KEY NOT NULL, device TEXT NOT NULL, boot TEXT NOT NULL, UNIQUE (device, boot));
CREATE TABLE context (id INTEGER PRIMARY KEY NOT NULL, value TEXT UNIQUE NOT NULL);
CREATE TABLE fix (
    id INTEGER PRIMARY KEY NOT NULL, stream INTEGER NOT NULL, seq INTEGER NOT NULL, context INTEGER NOT NULL,
    t_utc_ns INTEGER NOT NULL, t_gpst_ns INTEGER, tod_utc_ns INTEGER, t_rx_utc_ns INTEGER NOT NULL,
    lat_deg REAL, lon_deg REAL, alt_hae_m REAL, alt_msl_m REAL, acc_h_m REAL, acc_v_m REAL, speed_m_s REAL,
    course_deg REAL, sats_used INTEGER, hdop REAL, corr_age_s REAL, corr_station INTEGER, provenance_age_s REAL,
    heading_deg REAL, acc_heading_deg REAL, pitch_deg REAL, acc_pitch_deg REAL, baseline_m REAL);
CREATE UNIQUE INDEX fix_by_seq ON fix (stream, seq);
CREATE TABLE block (stream INTEGER NOT NULL, number INTEGER NOT NULL, n INTEGER NOT NULL, min_utc_ns INTEGER NOT NULL,
    max_utc_ns INTEGER NOT NULL, PRIMARY KEY (stream, number)) WITHOUT ROWID;
CREATE TABLE mark (t_utc_ns INTEGER PRIMARY KEY NOT NULL, fix_id INTEGER NOT NULL);
CREATE TABLE quarantine (id INTEGER PRIMARY KEY NOT NULL, device TEXT NOT NULL, reason TEXT NOT NULL,
    t_rx_utc_ns INTEGER NOT NULL, t_gpst_ns INTEGER, lat_deg REAL, lon_deg REAL);
INSERT INTO stream VALUES (1, 'a', 'b1');
INSERT INTO context VALUES (1, '["rtk_fixed","gnss","serial","receiver","CGCS2000",2000.0,0.68,["net","M1",1042,"CGCS2000",2000.0],true,true]');
INSERT INTO fix VALUES (1, 1, 10, 1, 1798099201000000000, NULL, NULL, 1798099201100000000, 31.5, 121.5, 18.4, 8.1, 0.012, 0.021, 1.4, 271.3, 31, 0.6, 0.8, 1042, 0.8, 193.065, 0.035, -1.25, 0.07, 0.9907);
INSERT INTO fix VALUES (2, 1, 11, 1, 1798099201100000000, NULL, NULL, 1798099201200000000, 31.5, 121.5, 18.4, 8.1, 0.012, 0.021, 1.4, 271.3, 31, 0.6, 0.8, 1042, 0.8, NULL, NULL, NULL, NULL, NULL);
INSERT INTO block VALUES (1, 0, 2, 1798099201000000000, 1798099201100000000);
PRAGMA application_id = 1650747497;
PRAGMA user_version = 2;
