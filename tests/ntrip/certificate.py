"""Certificates of every kind that a caster can show, made by the openssl of this machine."""

from __future__ import annotations

import datetime as dt
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_DAY = dt.timedelta(days=1)


@dataclass
class Certificates:
    """A small authority, and what it has signed or not."""

    directory: Path

    def make(self) -> None:
        now = dt.datetime.now(dt.UTC)
        self._self_signed("ca", "/CN=ntrip test authority")
        self._self_signed("selfsigned", "/CN=localhost")
        self._signed("good", "localhost", now - _DAY, now + _DAY)
        self._signed("elsewhere", "elsewhere.example", now - _DAY, now + _DAY)
        self._signed("expired", "localhost", now - 3 * _DAY, now - _DAY)
        self._signed("future", "localhost", now + _DAY, now + 3 * _DAY)

    def server(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._file(name, "pem"), self._file(name, "key"))
        return context

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._file("ca", "pem")))

    def joined(self, name: str) -> Path:
        """Key and certificate in one file."""
        both = self._file(name, "both")
        parts = [self._file(name, kind).read_text() for kind in ("key", "pem")]
        both.write_text("".join(parts))
        return both

    def _file(self, name: str, kind: str) -> Path:
        return self.directory / f"{name}.{kind}"

    def _self_signed(self, name: str, subject: str) -> None:
        _openssl(
            *("req", "-x509", *_NEW_KEY, "-days", "2", "-subj", subject),
            *("-out", self._file(name, "pem"), "-keyout", self._file(name, "key")),
        )

    def _signed(self, name: str, host: str, begin: dt.datetime, end: dt.datetime) -> None:
        request, extension = self._file(name, "csr"), self._file(name, "ext")
        extension.write_text(f"subjectAltName=DNS:{host}\n")
        _openssl(
            *("req", *_NEW_KEY, "-subj", f"/CN={host}", "-out", request),
            *("-keyout", self._file(name, "key")),
        )
        # "x509 -req" knows no beginning, "ca" does.
        (self.directory / "index.txt").write_text("")
        config = self._file("ca", "cnf")
        config.write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nserial=serial\n"
            "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
        )
        _openssl(
            *("ca", "-batch", "-notext", "-config", config, "-rand_serial", "-in", request),
            *("-cert", self._file("ca", "pem"), "-keyfile", self._file("ca", "key")),
            *("-startdate", f"{begin:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}"),
            *("-extfile", extension, "-out", self._file(name, "pem")),
            directory=self.directory,
        )


def _openssl(*arguments: object, directory: Path | None = None) -> None:
    subprocess.run(
        ["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=directory
    )
