"""The satellites in virtual time: who gets a message, when, how often; the same seed, the same."""

import itertools
import math
from collections import Counter

import pytest

from fwsim.rdss_bd1 import encode, take_frame
from fwsim.rdss_card import Card, Family
from fwsim.rdss_manner import Manner
from fwsim.rdss_network import SimNetwork
from fwsim.rdss_sentence import sentence
from fwsim.rdss_spec import NetworkSpec, Outage, TerminalSpec

QUIET = Manner(banner=())


def join(network, name, family=Family.BD2, address=1, **more):
    manner = more.pop("manner", QUIET)
    rest = {key: more.pop(key) for key in ("beams", "feedback_s") if key in more}
    card = Card(address=address, **more)
    spec = TerminalSpec(
        name=name, family=family, card=card, manner=manner, power_every_s=0.0, **rest
    )
    return network.add(spec)


def say(terminal, to, text, now):
    digits = text.encode("gbk").hex().upper().encode()
    terminal.receive(sentence("CCTXA", f"{to:07d}", "1", "2", b"A4" + digits), now)


def heard(terminal):
    """Return sender and content of the messages that a 2.1 terminal handed over."""
    rows = [line.split(b"*")[0].split(b",") for line in terminal.data_to_send().splitlines()]
    return [
        (int(row[2]), bytes.fromhex(row[5].decode())[1:].decode("gbk"))
        for row in rows
        if row[0] == b"$BDTXR"
    ]


def test_a_message_goes_from_every_family_to_every_family():
    network = SimNetwork(NetworkSpec())
    one = join(network, "one", Family.BD1, 11)
    two = join(network, "two", Family.BD2, 22)
    three = join(network, "three", Family.BD3, 4_000_033)
    data = b"\xa4" + "水位12.5米".encode("gbk")
    fields = {"info": 0x46, "peer_address": 22, "length_bits": 8 * len(data), "ack_flag": 0}
    one.receive(encode("TXSQ", 11, {**fields, "content": data}), 0.0)
    say(two, 4_000_033, "水位12.5米", 0.0)
    tcq = sentence("CCTCQ", "11", "2", "1", "3", data.hex().upper(), "0")
    three.receive(tcq, 0.0)
    network.advance(30.0)
    assert [message.fate for message in network.truth] == ["delivered"] * 3
    assert heard(two) == [(11, "水位12.5米")]
    tci = next(line for line in three.data_to_send().split(b"\r\n") if b"TCI" in line)
    assert tci.split(b"*")[0].split(b",")[1:] == [
        *(b"22", b"4000033", b"2", tci.split(b",")[4], b"3", b"0"),
        data.hex().upper().encode(),
    ]
    buffer = bytearray(one.data_to_send())
    frames = []
    while (found := take_frame(buffer)[0]) is not None:
        frames.append(found)
    (got,) = [frame.fields() for frame in frames if frame.name == "TXXX"]
    assert (got["sender_address"], got["content"], got["info"]) == (4_000_033, data, 0x60)


def test_a_commander_calls_all_and_sees_what_its_subordinates_say():
    network = SimNetwork(NetworkSpec())
    chief = join(network, "chief", Family.BD2, 100, broadcast=777, subordinates=(1, 2))
    one = join(network, "one", Family.BD2, 1, broadcast=777)
    two = join(network, "two", Family.BD2, 2, broadcast=777)
    other = join(network, "other", Family.BD2, 3)
    say(chief, 777, "all", 0.0)
    network.advance(60.0)
    assert heard(one) == heard(two) == [(100, "all")]
    assert heard(other) == heard(chief) == []
    say(one, 2, "among us", 60.0)
    say(other, 1, "from outside", 60.0)
    network.advance(120.0)
    assert heard(two) == [(1, "among us")]
    assert sorted(heard(chief)) == [(1, "among us"), (3, "from outside")]
    assert heard(one) == [(3, "from outside")]
    network.change(copies="none")
    say(one, 2, "alone", 120.0)
    network.advance(180.0)
    assert heard(chief) == []
    copies = [arrival.is_copy for message in network.truth for arrival in message.arrivals]
    assert Counter(copies) == {False: 5, True: 2}


def test_a_copy_in_bd1_carries_the_address_that_it_was_for():
    network = SimNetwork(NetworkSpec())
    chief = join(network, "chief", Family.BD1, 100, subordinates=(2,))
    join(network, "two", Family.BD2, 2)
    say(join(network, "one", Family.BD2, 1), 2, "x", 0.0)
    network.advance(30.0)
    frame, _ = take_frame(bytearray(chief.data_to_send()))
    assert frame is not None
    assert (frame.name, frame.address, frame.body[1:4]) == ("TXXX", 2, b"\0\0\1")


def exchange(spec, n, *, speed_s=61.0):
    """Send many messages; return the network and how often each came."""
    network = SimNetwork(spec)
    sender = join(network, "sender", Family.BD2, 1)
    receiver = join(network, "receiver", Family.BD2, 2)
    came = []
    for i in range(n):
        say(sender, 2, str(i), i * speed_s)
        network.advance((i + 1) * speed_s)
        came += [int(text) for _, text in heard(receiver)]
    network.advance((n + 2) * speed_s)
    came += [int(text) for _, text in heard(receiver)]
    return network, came


@pytest.mark.parametrize("loss", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_losses_are_as_frequent_as_asked_for(loss, seed):
    n = 2000
    network, came = exchange(NetworkSpec(seed=seed, loss=loss), n)
    lost = n - len(came)
    # Four standard deviations of a binomial distribution.
    assert abs(lost - n * loss) < 4 * math.sqrt(n * loss * (1 - loss))
    assert network.counters["fate_lost"] == lost
    assert network.counters["fate_delivered"] == len(came)
    assert {message.n - 1 for message in network.truth if message.fate == "delivered"} == set(came)
    assert network.counters["interval_violations"] == 0


def test_losses_come_one_by_one():
    network, _ = exchange(NetworkSpec(seed="9", loss=0.5), 2000)
    fates = [message.fate == "lost" for message in network.truth]
    pairs = Counter(itertools.pairwise(fates))
    # A chain with memory would have far more equal neighbours than half.
    assert 900 < pairs[True, True] + pairs[False, False] < 1100


def test_duplicates_and_overtaking():
    network, came = exchange(NetworkSpec(duplicate=0.3, reorder=0.3, reorder_s=200.0), 500)
    counts = Counter(came)
    assert set(counts) == set(range(500))
    assert 100 < sum(count == 2 for count in counts.values()) < 200
    assert network.counters["duplicated"] == sum(count == 2 for count in counts.values())
    assert sum(b < a for a, b in itertools.pairwise(came)) > 30


def test_the_same_seed_is_the_same_hour_and_another_is_not():
    def records(seed):
        spec = NetworkSpec(seed=seed, loss=0.2, duplicate=0.1, reorder=0.2, damage=0.1)
        network, came = exchange(spec, 60)
        return [message.record() for message in network.truth], came

    assert records("7") == records("7")
    assert records("7") != records("8")


def test_an_outage_of_all_beams_refuses_and_loses_one_of_some_does_not():
    outages = (
        Outage(from_s=100.0, to_s=200.0),
        Outage(from_s=300.0, to_s=400.0, beams=frozenset({1, 3})),
        Outage(from_s=500.0, to_s=600.0, terminals=frozenset({"receiver"})),
    )
    network = SimNetwork(NetworkSpec(outages=outages))
    sender = join(network, "sender", Family.BD2, 1)
    receiver = join(network, "receiver", Family.BD2, 2)
    for at_s in (110.0, 310.0, 510.0, 700.0):
        say(sender, 2, str(at_s), at_s)
        network.advance(at_s + 40.0)
    assert sender.counters["no_lock"] == 1
    assert [message.fate for message in network.truth] == ["delivered", "no_lock", "delivered"]
    assert heard(receiver) == [(1, "310.0"), (1, "700.0")]


def test_damage_shows_in_bd1_only():
    network = SimNetwork(NetworkSpec(damage=1.0))
    sender = join(network, "sender", Family.BD2, 1)
    old = join(network, "old", Family.BD1, 2)
    new = join(network, "new", Family.BD2, 3)
    say(sender, 2, "x", 0.0)
    say(sender, 3, "x", 60.0)
    network.advance(120.0)
    frame, _ = take_frame(bytearray(old.data_to_send()))
    assert frame is not None
    assert frame.fields()["crc_flag"] == 1
    assert heard(new) == []
    assert [message.fate for message in network.truth] == ["damaged", "damaged"]


def test_a_card_takes_what_is_for_it_along():
    network = SimNetwork(NetworkSpec(delay_s=(5.0, 5.0)))
    sender = join(network, "sender", Family.BD2, 1)
    receiver = join(network, "receiver", Family.BD2, 2)
    say(sender, 2, "late", 0.0)
    network.advance(1.0)
    network.fault("receiver", "swap", card=Card(address=9))
    network.advance(60.0)
    say(sender, 2, "nobody", 61.0)
    network.advance(120.0)
    assert [message.fate for message in network.truth] == ["card_gone", "no_such_card"]
    assert heard(receiver) == []


def test_the_interval_of_a_card_holds_over_two_terminals():
    network = SimNetwork(NetworkSpec())
    first = join(network, "first", Family.BD2, 1)
    clone = join(network, "clone", Family.BD2, 1)
    target = join(network, "target", Family.BD2, 2)
    say(first, 2, "one", 0.0)
    say(clone, 2, "two", 30.0)
    network.advance(100.0)
    assert [message.fate for message in network.truth] == ["delivered", "interval_violation"]
    assert heard(target) == [(1, "one")]


def test_stored_messages_and_receipts_can_be_asked_for():
    network = SimNetwork(NetworkSpec())
    sender = join(network, "sender", Family.BD1, 1)
    other = join(network, "other", Family.BD2, 5)
    receiver = join(network, "receiver", Family.BD2, 2)
    fields = {"info": 0x46, "peer_address": 2, "length_bits": 24, "ack_flag": 0}
    sender.receive(encode("TXSQ", 1, {**fields, "content": b"\xa4ab"}), 0.0)
    network.advance(60.0)
    say(other, 2, "newest", 60.0)
    network.advance(90.0)
    assert heard(receiver) == [(1, "ab"), (5, "newest")]
    receiver.receive(sentence("CCCXA", "1", "1", ""), 100.0)
    network.advance(150.0)
    assert b"$BDTXR,4,0000005,2,0001,A4" in receiver.data_to_send()
    receiver.receive(sentence("CCCXA", "1", "2", "0000001"), 200.0)
    network.advance(250.0)
    assert b"$BDTXR,5,0000001,2,0000,A4" in receiver.data_to_send()
    sender.data_to_send()
    sender.receive(encode("TXSQ", 1, {"info": 0x78, "peer_address": 2}), 300.0)
    network.advance(350.0)
    buffer = bytearray(sender.data_to_send())
    names = {}
    while (frame := take_frame(buffer)[0]) is not None:
        names[frame.name] = frame
    assert names["TXHZ"].fields()["times"] == b"\0\0\0\0"
    assert names["TXHZ"].fields()["count"] == 1


def test_a_position_is_a_request_like_any_other():
    network = SimNetwork(NetworkSpec())
    terminal = join(network, "a", Family.BD2, 242_407)
    terminal.receive(b"$CCDWA,0000000,V,1,L,,0,,,0*65\r\n", 0.0)
    network.advance(30.0)
    said = terminal.data_to_send()
    assert b"$BDFKI,DWA,Y,Y,0," in said
    assert b"$BDDWR,1,0242407,000000.50,3117.9640,N,12130.1980,E,20,M," in said
    terminal.receive(b"$CCDWA,0000000,V,1,L,,0,,,0*65\r\n", 30.0)
    network.advance(50.0)
    assert b"$BDFKI,DWA,N,Y,0,0030*" in terminal.data_to_send()


def test_global_messages_have_their_own_right_interval_and_size():
    network = SimNetwork(NetworkSpec())
    card = {"global_interval_s": 120, "global_level": 1}
    ship = join(network, "ship", Family.BD3, 4_000_001, **card)
    poor = join(network, "poor", Family.BD3, 4_000_002)

    def send(terminal, now, n_bytes, point="5"):
        text = "AB" * n_bytes
        terminal.receive(sentence("CCTCQ", "4000002", point, "1", "2", text, "0"), now)
        network.advance(now + 30.0)
        return [
            line.split(b"*")[0].split(b",")[3:]
            for line in terminal.data_to_send().splitlines()
            if b"FKI" in line
        ]

    assert send(ship, 0.0, 70) == [[b"Y", b"0", b"0"]]
    assert send(ship, 60.0, 70, point="2") == [[b"Y", b"0", b"0"]]
    assert send(ship, 90.0, 70) == [[b"N", b"1", b"30"]]
    assert send(ship, 200.0, 71) == [[b"N", b"6", b"0"]]
    assert b"4000001,4000002,5," in poor.data_to_send()
    assert send(poor, 300.0, 10) == [[b"N", b"6", b"0"]]


def test_a_busy_hour_takes_seconds_and_its_truth_is_whole():
    network = SimNetwork(NetworkSpec(loss=0.1))
    terminals = [join(network, f"t{i}", Family.BD3, 4_000_000 + i) for i in range(1, 21)]
    for minute in range(60):
        for i, terminal in enumerate(terminals):
            to = 4_000_000 + (i + 1) % 20 + 1
            command = sentence("CCTCQ", str(to), "2", "1", "2", f"{minute:04d}", "0")
            terminal.receive(command, minute * 60.0 + i)
    network.advance(3700.0)
    assert len(network.truth) == network.counters["on_air"] == 1200
    assert network.counters["interval_violations"] == 0
    said = b"".join(terminal.data_to_send() for terminal in terminals)
    assert said.count(b"$BDTCI") == network.counters["fate_delivered"]
    assert said.count(b",TCQ,Y,0,0*") == 1200


def test_what_makes_no_sense_is_refused():
    network = SimNetwork(NetworkSpec())
    join(network, "a")
    with pytest.raises(ValueError, match="there already"):
        join(network, "a")
    with pytest.raises(ValueError, match="damage must be"):
        network.change(loss=1.5)
    with pytest.raises(ValueError, match="cannot be changed"):
        network.change(seed="2")
    with pytest.raises(ValueError, match="did you mean 'silent'"):
        network.fault("a", "silence")
    with pytest.raises(ValueError, match="no parameter"):
        network.fault("a", "deaf", boots=3)
    with pytest.raises(ValueError, match="needs a card"):
        network.fault("a", "swap")
    with pytest.raises(KeyError):
        network.fault("b", "deaf")
    with pytest.raises(ValueError, match="address"):
        Card(address=1 << 24)


def test_a_message_on_its_way_is_known():
    network = SimNetwork(NetworkSpec(delay_s=(5.0, 5.0)))
    sender = join(network, "sender", Family.BD2, 1)
    join(network, "receiver", Family.BD2, 2)
    say(sender, 2, "x", 0.0)
    network.advance(5.4)
    assert [message.n for message in network.under_way()] == [1]
    network.advance(5.6)
    assert network.under_way() == []
