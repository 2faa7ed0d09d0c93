import json

import structlog
from structlog.testing import capture_logs

from bdgw.caster import Password, Pusher, User, UserTable, hash_password
from tests.caster.rig import NTRIP, PASSWORD, PUSH_PASSWORD, V2, basic, frame, until

WRONG = "canary-wrong-4d0"
SECRETS = (PASSWORD, PUSH_PASSWORD, WRONG)


async def test_no_secret_is_in_a_log_a_status_an_answer_or_a_page(rig):
    structlog.reset_defaults()
    with capture_logs() as logs:
        hashed = User(name="hashed", password=Password(hash_password(PASSWORD, b"salt")))
        users = UserTable(
            users=(User(name="rover", password=Password(PASSWORD)), hashed),
            pushers={"PUSH": Pusher(password=Password(PUSH_PASSWORD))},
        )
        made = await rig(users=users, max_login_delay_s=0.01)
        said = b""
        await made.listen()
        await made.listen(headers=NTRIP + basic("hashed"))
        base = await made.push()
        base.send(frame(1))
        requests = [
            f"GET / HTTP/1.1\r\n{V2}\r\n",
            "GET / HTTP/1.1\r\nAccept: text/html\r\n\r\n",
            f"GET /{PASSWORD} HTTP/1.1\r\n{V2}{basic(password=WRONG)}\r\n",
            f"GET /BASE HTTP/1.1\r\n{V2}{basic(password=WRONG)}\r\n",
            f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic('hashed', WRONG)}\r\n",
            f"GET /BASE HTTP/1.0\r\n{NTRIP}{basic(WRONG, PASSWORD)}\r\n",
            f"POST /PUSH HTTP/1.1\r\n{V2}{basic(password=PUSH_PASSWORD)}\r\n",
            f"SOURCE {WRONG} /PUSH\r\n\r\n",
            f"SOURCE {PUSH_PASSWORD} /BASE\r\n\r\n",
            f"SOURCE {PUSH_PASSWORD}\r\n\r\n",
            f"PATCH {PASSWORD} HTTP/1.1\r\n{basic()}\r\n",
            f"{PASSWORD}\r\n\r\n",
        ]
        for request in requests:
            said += await (await made.dial(request)).rest()
        await until(lambda: made.pushed)
        status = repr(made.snapshot()) + repr(made.caster._desk.users)
        made.caster.set_users(UserTable())
        await made.has_clients(0)
    logged = json.dumps(logs, default=str)
    assert "caster_refused" in logged
    for secret in SECRETS:
        assert secret not in logged, secret
        assert secret not in status, secret
        assert secret.encode() not in said, secret
