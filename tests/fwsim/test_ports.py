"""Ports against the real kernel: terminals and sockets, and nobody sleeps."""

import os
import select
import socket
import termios
import time

import pytest

from fwsim.ports import FilePort, UdpPort, datagrams
from fwsim.pty_port import PtyPort
from fwsim.tcp_port import Modem, TcpDialPort, TcpListenPort

PATIENCE_S = 5.0


@pytest.fixture
def pty(tmp_path):
    port = PtyPort(tmp_path / "dev" / "rover")
    port.open()
    yield port
    port.close()


class Reader:
    """Somebody who opens a terminal."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def read(self, size):
        got = b""
        while len(got) < size and select.select([self.fd], [], [], PATIENCE_S)[0]:
            got += os.read(self.fd, size - len(got))
        return got

    def is_silent(self):
        return not select.select([self.fd], [], [], 0.05)[0]


def tick_until(port, condition):
    """Poll as the simulator does, with a clock of its own, until the kernel has done its part."""
    end_s = time.monotonic() + PATIENCE_S
    collected = b""
    while not condition() and time.monotonic() < end_s:
        collected += port.tick(time.monotonic())
        select.select([], [], [], 0.001)
    assert condition()
    return collected


def recv(peer, size):
    peer.settimeout(PATIENCE_S)
    got = b""
    while len(got) < size and (part := peer.recv(size - len(got))):
        got += part
    return got


def test_pty_is_raw_under_its_symlink(pty, tmp_path):
    link = tmp_path / "dev" / "rover"
    assert link.is_symlink()
    assert pty.address == str(link)
    with Reader(link) as reader:
        iflag, oflag, _, lflag, *_ = termios.tcgetattr(reader.fd)
        assert not lflag & (termios.ECHO | termios.ICANON | termios.ISIG)
        assert not oflag & termios.OPOST
        assert not iflag & (termios.ICRNL | termios.IXON)
        every_byte = bytes(range(256))
        assert pty.write(every_byte) == 256
        assert reader.read(256) == every_byte


def test_pty_without_a_reader_takes_nothing_and_keeps_nothing(pty):
    assert not pty.is_heard()
    assert pty.write(b"lost") == 0
    with Reader(pty.address) as reader:
        assert pty.is_heard()
        assert pty.write(b"heard") == 5
        assert reader.read(5) == b"heard"
        assert reader.is_silent()
    assert not pty.is_heard()
    assert pty.counters.n_connects == 1


def test_what_a_reader_left_is_not_there_for_the_next(pty):
    with Reader(pty.address):
        assert pty.write(b"stale") == 5
    assert not pty.is_heard()
    with Reader(pty.address) as reader:
        assert pty.write(b"fresh") == 5
        assert reader.read(5) == b"fresh"
        assert reader.is_silent()


def test_a_sleeping_reader_never_blocks_the_pty(pty):
    with Reader(pty.address) as reader:
        taken = 0
        begin_s = time.monotonic()
        for _ in range(2000):
            taken += pty.write(b"x" * 500)
        assert time.monotonic() - begin_s < PATIENCE_S
        assert 0 < taken < 500_000
        assert pty.unread_bytes() > 0
        assert reader.read(taken) == b"x" * taken
        assert reader.is_silent()
        assert pty.unread_bytes() == 0
        assert pty.counters.bytes_written == taken


def test_pty_drains_what_the_gateway_writes(pty):
    with Reader(pty.address) as reader:
        os.write(reader.fd, b"correction")
        got = tick_until(pty, lambda: pty.counters.bytes_from_gateway == 10)
        assert got == b"correction"


def test_unplugged_pty_is_gone_and_comes_back_under_the_same_name(pty, tmp_path):
    link = tmp_path / "dev" / "rover"
    with Reader(link) as reader:
        assert pty.is_heard()
        pty.unplug()
        assert not link.exists()
        assert not link.is_symlink()
        assert pty.write(b"nobody") == 0
        assert pty.tick(0.0) == b""
        # The reader sees the end of the device, as with a torn USB cable.
        assert select.select([reader.fd], [], [], PATIENCE_S)[0]
        try:
            assert os.read(reader.fd, 100) == b""
        except OSError as error:
            assert error.errno == 5  # noqa: PT017 - both forms of the end are right
        pty.replug()
        with Reader(link) as fresh:
            assert pty.write(b"again") == 5
            assert fresh.read(5) == b"again"
    pty.close()
    assert not link.is_symlink()


def test_pty_never_takes_the_place_of_a_file(tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(FileExistsError):
        PtyPort(path).open()
    assert path.read_text() == "data"


def test_pty_takes_over_a_stale_symlink_and_removes_only_its_own(tmp_path):
    link = tmp_path / "rover"
    link.symlink_to("/nonexistent/tty")
    port = PtyPort(link)
    port.open()
    assert link.exists()
    other = tmp_path / "other"
    other.symlink_to("/nonexistent/tty2")
    other.replace(link)
    port.close()
    assert link.is_symlink()


def test_tcp_listen_serves_whoever_came_last_and_drains(tmp_path):
    port = TcpListenPort("127.0.0.1", 0)
    port.open()
    number = int(port.address.rpartition(":")[2])
    try:
        assert port.write(b"nobody") == 0
        with socket.create_connection(("127.0.0.1", number)) as first:
            tick_until(port, port.is_heard)
            assert port.write(b"one") == 3
            assert recv(first, 3) == b"one"
            with socket.create_connection(("127.0.0.1", number)) as second:
                tick_until(port, lambda: port.counters.n_connects == 2)
                assert recv(first, 1) == b""
                second.sendall(b"RTCM")
                assert tick_until(port, lambda: port.counters.bytes_from_gateway == 4) == b"RTCM"
                assert port.write(b"two") == 3
                assert recv(second, 3) == b"two"
            tick_until(port, lambda: not port.is_heard())
    finally:
        port.close()


def test_tcp_listen_unplugged_resets_and_comes_back_on_the_same_port():
    port = TcpListenPort("127.0.0.1", 0)
    port.open()
    address = ("127.0.0.1", int(port.address.rpartition(":")[2]))
    try:
        with socket.create_connection(address) as peer:
            tick_until(port, port.is_heard)
            port.unplug()
            with pytest.raises(ConnectionResetError):
                recv(peer, 1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        port.replug()
        with socket.create_connection(address) as peer:
            tick_until(port, port.is_heard)
            port.write(b"back")
            assert recv(peer, 4) == b"back"
    finally:
        port.close()


@pytest.fixture
def station():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        yield server


def modem(server, **settings):
    return TcpDialPort("127.0.0.1", server.getsockname()[1], Modem(**settings))


def test_modem_registers_first_beats_between_sentences_and_redials(station):
    habits = {"heartbeat": b"PING", "heartbeat_s": 10.0, "reconnect_s": 0.05}
    port = modem(station, registration=b"ID-0007\r\n", **habits)
    port.open()
    try:
        port.tick(100.0)
        port.tick(100.0)
        peer, _ = station.accept()
        tick_until(port, port.is_heard)
        with peer:
            assert recv(peer, 9) == b"ID-0007\r\n"
            now_s = time.monotonic()
            port.write(b"$half a sen")
            port.tick(now_s + 20.0)
            port.write(b"tence\r\n")
            port.tick(now_s + 20.0)
            port.tick(now_s + 20.1)
            port.write(b"$next\r\n")
            assert recv(peer, 29) == b"$half a sentence\r\nPING$next\r\n"
            peer.sendall(b"hello")
            tick_until(port, lambda: port.counters.bytes_from_gateway == 5)
        tick_until(port, lambda: port.counters.n_connects == 2)
        again, _ = station.accept()
        with again:
            assert recv(again, 9) == b"ID-0007\r\n"
    finally:
        port.close()


def test_modem_waits_before_it_dials_again():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = TcpDialPort("127.0.0.1", closed.getsockname()[1], Modem(reconnect_s=5.0))
        port.open()
        port.tick(10.0)
        port.tick(10.1)
        assert not port.is_heard()
        closed.listen()
        port.tick(12.0)
        port.tick(12.1)
        assert not port.is_heard()
        port.tick(15.2)
        port.tick(15.3)
        assert port.is_heard()
        port.close()


def test_unplugged_modem_resets_and_stays_away_until_replugged(station):
    port = modem(station)
    port.open()
    tick_until(port, port.is_heard)
    peer, _ = station.accept()
    with peer:
        port.unplug()
        with pytest.raises(ConnectionResetError):
            recv(peer, 1)
    port.tick(time.monotonic() + 100)
    assert not port.is_heard()
    assert port.write(b"x") == 0
    port.replug()
    tick_until(port, port.is_heard)
    port.close()


def test_closing_a_modem_delivers_everything_even_with_unread_corrections(station):
    port = modem(station)
    port.open()
    tick_until(port, port.is_heard)
    peer, _ = station.accept()
    with peer:
        peer.sendall(b"correction")
        data = b"y" * 50_000
        assert port.write(data) == len(data)
        port.close()
        assert recv(peer, len(data) + 1) == data


def test_a_peer_that_does_not_read_never_blocks_a_modem(station):
    port = modem(station)
    port.open()
    tick_until(port, port.is_heard)
    peer, _ = station.accept()
    with peer:
        taken = [port.write(b"z" * 65_536) for _ in range(400)]
        assert taken[-1] == 0
    port.close()


def test_udp_sends_datagrams_that_end_with_a_line():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(PATIENCE_S)
        port = UdpPort("127.0.0.1", receiver.getsockname()[1], datagram_bytes=100)
        port.open()
        data = b"$GPTXT,thirty characters here\r\n" * 7
        assert port.write(data) == len(data)
        got = [receiver.recv(2000) for _ in range(3)]
        assert b"".join(got) == data
        assert all(part.endswith(b"\r\n") and len(part) <= 100 for part in got)
        port.close()
        assert not port.is_heard()


def test_udp_to_nobody_is_counted_as_unheard():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    port = UdpPort("127.0.0.1", number)
    port.open()
    for _ in range(10):
        port.write(b"x")
    assert port.counters.bytes_unheard > 0
    assert port.counters.bytes_unheard + port.counters.bytes_written == 10
    port.close()


def test_a_line_longer_than_a_datagram_is_cut():
    assert datagrams(b"a" * 250, 100) == [b"a" * 100, b"a" * 100, b"a" * 50]
    assert datagrams(b"", 100) == []


def test_file_port_collects_and_survives_an_unplug(tmp_path):
    port = FilePort(tmp_path / "out")
    assert port.write(b"too early") == 0
    port.open()
    port.write(b"one")
    port.unplug()
    assert port.write(b"lost") == 0
    port.replug()
    port.write(b"two")
    port.close()
    assert (tmp_path / "out").read_bytes() == b"onetwo"
    assert port.counters.bytes_written == 6
