PRAGMA application_id = 1650747255;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE inbound (
        id TEXT PRIMARY KEY NOT NULL,
        received_utc_ns INTEGER NOT NULL,
        terminal TEXT NOT NULL,
        sender INTEGER NOT NULL,
        addressee INTEGER,
        service TEXT NOT NULL,
        form TEXT NOT NULL,
        content BLOB NOT NULL,
        n_bits INTEGER NOT NULL,
        raw BLOB NOT NULL,
        terminal_time TEXT,
        is_intact INTEGER,
        kind TEXT NOT NULL,
        text TEXT,
        peer_message TEXT
    );
INSERT INTO "inbound" VALUES('01932b67-2400-7001-8000-000000000002',1731600000000000005,'t-1',123457,NULL,'regional','hanzi',X'BAC3',14,X'2442445458522C2E2E2E','0800',NULL,'text','好',NULL);
CREATE TABLE message (
        id TEXT PRIMARY KEY NOT NULL,
        key TEXT UNIQUE,
        peer INTEGER NOT NULL,
        payload BLOB NOT NULL,
        origin TEXT NOT NULL,
        priority TEXT NOT NULL,
        service TEXT NOT NULL,
        deadline_utc_ns INTEGER,
        supersede_key TEXT,
        wants_receipt INTEGER NOT NULL,
        options TEXT NOT NULL,
        state TEXT NOT NULL,
        submitted_utc_ns INTEGER NOT NULL,
        state_utc_ns INTEGER NOT NULL,
        cause TEXT NOT NULL,
        n_units INTEGER,
        units TEXT NOT NULL,
        n_possibly_sent INTEGER NOT NULL,
        air_number INTEGER,
        is_retryable INTEGER,
        receipt_utc_ns INTEGER,
        revision INTEGER NOT NULL,
        is_settled INTEGER NOT NULL
    );
INSERT INTO "message" VALUES('01932b67-2400-7000-8000-000000000001','order 7',123456,X'CBAECEBB312E35','rest','alarm','global',1731600300000000000,'level',1,'{"seal":"fleet"}','on_air',1731600000000000000,1731600060000000000,'',2,'[[1,"accepted",654321,1,true,true],[2,"in_flight",654321,1,false,false]]',0,9,NULL,NULL,5,0);
CREATE TABLE step (
        message_id TEXT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        event TEXT NOT NULL,
        at_utc_ns INTEGER NOT NULL,
        cause TEXT NOT NULL,
        unit INTEGER,
        of_units INTEGER,
        card INTEGER,
        is_repeat INTEGER NOT NULL,
        is_retryable INTEGER,
        air_number INTEGER,
        PRIMARY KEY (message_id, number)
    ) WITHOUT ROWID;
INSERT INTO "step" VALUES('01932b67-2400-7000-8000-000000000001',1,'submitted',1731600000000000000,'rest',NULL,NULL,NULL,0,NULL,NULL);
INSERT INTO "step" VALUES('01932b67-2400-7000-8000-000000000001',2,'queued',1731600001000000000,'slot 1',NULL,2,NULL,0,NULL,9);
INSERT INTO "step" VALUES('01932b67-2400-7000-8000-000000000001',3,'on_air',1731600060000000000,'',1,2,654321,0,NULL,NULL);
INSERT INTO "step" VALUES('01932b67-2400-7000-8000-000000000001',4,'unit_accepted',1731600061000000000,'',1,NULL,NULL,0,NULL,NULL);
INSERT INTO "step" VALUES('01932b67-2400-7000-8000-000000000001',5,'on_air',1731600120000000000,'',2,2,654321,0,NULL,NULL);
CREATE TABLE value (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
INSERT INTO "value" VALUES('last_sent/654321',X'31373331363030313230303030303030303030');
CREATE INDEX message_unfinished ON message (id) WHERE is_settled = 0;
CREATE INDEX message_settled ON message (state_utc_ns) WHERE is_settled = 1;
CREATE INDEX message_by_state ON message (state, id);
CREATE INDEX message_by_peer ON message (peer, id);
CREATE INDEX message_by_time ON message (submitted_utc_ns);
CREATE INDEX message_by_air_number ON message (peer, air_number, id)
        WHERE air_number IS NOT NULL;
CREATE INDEX inbound_by_time ON inbound (received_utc_ns);
CREATE INDEX inbound_by_sender ON inbound (sender, id);
COMMIT;
