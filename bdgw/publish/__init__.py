"""Everything that leaves the gateway towards subscribers.

Topics and payloads are pure; the outbox holds what is not yet acknowledged; the MQTT publisher
keeps one connection; the embedded broker is the one that comes along with the gateway.
"""
