"""An NTRIP caster: streams of bases in, to clients of version 1 and 2 out."""

from bdgw.caster.content import MessageRate
from bdgw.caster.server import Caster
from bdgw.caster.snapshot import CasterSnapshot, ClientSnapshot, MountSnapshot, PusherSnapshot
from bdgw.caster.spec import CasterSpec, Limits, MountKind, MountSpec
from bdgw.caster.user import Password, Pusher, User, UserTable, hash_password

__all__ = [
    "Caster",
    "CasterSnapshot",
    "CasterSpec",
    "ClientSnapshot",
    "Limits",
    "MessageRate",
    "MountKind",
    "MountSnapshot",
    "MountSpec",
    "Password",
    "Pusher",
    "PusherSnapshot",
    "User",
    "UserTable",
    "hash_password",
]
