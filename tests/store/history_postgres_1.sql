-- Tables of version 1 in PostgreSQL with two fixes, written out by hand.
CREATE SCHEMA bdgw;
CREATE TABLE bdgw.version (number integer NOT NULL);
INSERT INTO bdgw.version VALUES (1);
CREATE TABLE bdgw.stream (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gateway text NOT NULL, device text NOT NULL,
    boot text NOT NULL, UNIQUE (gateway, device, boot));
CREATE TABLE bdgw.context (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, value text NOT NULL UNIQUE);
CREATE TABLE bdgw.fix (
    stream bigint NOT NULL, seq bigint NOT NULL, context bigint NOT NULL, t_utc_ns bigint NOT NULL, t_gpst_ns bigint,
    tod_utc_ns bigint, t_rx_utc_ns bigint NOT NULL, lat_deg double precision, lon_deg double precision,
    alt_hae_m double precision, alt_msl_m double precision, acc_h_m double precision, acc_v_m double precision,
    speed_m_s double precision, course_deg double precision, sats_used bigint, hdop double precision,
    corr_age_s double precision, corr_station bigint, provenance_age_s double precision,
    stored_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (stream, seq));
CREATE TABLE bdgw.block (stream bigint NOT NULL, number bigint NOT NULL, n bigint NOT NULL, min_utc_ns bigint NOT NULL,
    max_utc_ns bigint NOT NULL, PRIMARY KEY (stream, number));
CREATE INDEX fix_by_age ON bdgw.fix USING brin (stored_at);
CREATE TABLE bdgw.quarantine (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gateway text NOT NULL, device text NOT NULL,
    reason text NOT NULL, t_rx_utc_ns bigint NOT NULL, t_gpst_ns bigint, lat_deg double precision, lon_deg double precision,
    stored_at timestamptz NOT NULL DEFAULT now());
CREATE VIEW bdgw.fixes AS SELECT gateway, device, boot, seq, to_timestamp(t_utc_ns / 1e9) AS t,
    value::jsonb ->> 0 AS fix, value::jsonb ->> 1 AS time_quality, lat_deg, lon_deg, alt_hae_m, alt_msl_m,
    value::jsonb ->> 4 AS frame, acc_h_m, acc_v_m, speed_m_s, course_deg, sats_used, hdop,
    value::jsonb -> 7 ->> 0 AS correction, coalesce(provenance_age_s, corr_age_s) AS corr_age_s
    FROM bdgw.fix JOIN bdgw.stream ON stream.id = fix.stream JOIN bdgw.context ON context.id = fix.context;
-- What somebody else has built on it.
CREATE VIEW public.speeds AS SELECT seq, speed_m_s FROM bdgw.fixes;
INSERT INTO bdgw.stream (gateway, device, boot) VALUES ('gw', 'a', 'b1');
INSERT INTO bdgw.context (value) VALUES ('["rtk_fixed","gnss","serial","receiver","CGCS2000",2000.0,0.68,["net","M1",1042,"CGCS2000",2000.0],true,true]');
INSERT INTO bdgw.fix VALUES
    (1, 10, 1, 1798099201000000000, NULL, NULL, 1798099201100000000, 31.5, 121.5, 18.4, 8.1, 0.012, 0.021, 1.4, 271.3, 31, 0.6, 0.8, 1042, 0.8),
    (1, 11, 1, 1798099201100000000, NULL, NULL, 1798099201200000000, 31.5, 121.5, 18.4, 8.1, 0.012, 0.021, 1.4, 271.3, 31, 0.6, 0.8, 1042, 0.8);
INSERT INTO bdgw.block VALUES (1, 0, 2, 1798099201000000000, 1798099201100000000);
