"""Sparkplug topics and the STATE of host applications (Sparkplug 3.0, chapter 4 and 6.4.27). Pure."""

import json
from typing import NamedTuple

import msgspec

from interwork.core.errors import BadInput

NAMESPACE = "spBv1.0"
_FORBIDDEN = "+/#\0"


class State(msgspec.Struct, frozen=True):
    """What a STATE message says of a host application."""

    online: bool
    timestamp: int = 0


class Topic(NamedTuple):
    """The parts of `spBv1.0/group/TYPE/edge[/device]`; an empty type where it is none."""

    group: str
    kind: str
    edge: str
    device: str = ""


NO_TOPIC = Topic("", "", "")


def check_id(what: str, text: str) -> str:
    """Return a group, edge node, device or host id; raise BadInput for one that no topic can hold (4.1)."""
    if not text or any(mark in text for mark in _FORBIDDEN) or len(text) > 256:
        raise BadInput(
            f"The Sparkplug {what} id {text!r} is empty, too long, or holds +, / or #.",
            remedy="Use letters, digits, dots and dashes.",
        )
    return text


def read_topic(topic: str) -> Topic:
    """Read a topic of the namespace."""
    parts = topic.split("/")
    if parts[0] != NAMESPACE or len(parts) not in (4, 5):
        return NO_TOPIC
    return Topic(parts[1], parts[2], parts[3], parts[4] if len(parts) == 5 else "")


def topic_of(group: str, kind: str, edge: str, device: str = "") -> str:
    """Write a topic of the namespace."""
    return "/".join((NAMESPACE, group, kind, edge, *((device,) if device else ())))


def state_topic(host_id: str) -> str:
    """Write the topic of a host application's STATE."""
    return f"{NAMESPACE}/STATE/{host_id}"


def old_state_topic(host_id: str) -> str:
    """Write the topic of a host application's STATE as version 2.2 had it."""
    return f"STATE/{host_id}"


def decode_old_state(content: bytes) -> State | None:
    """Read the STATE of version 2.2: a word, without a time."""
    return {b"ONLINE": State(online=True), b"OFFLINE": State(online=False)}.get(content)


def encode_state(*, is_online: bool, time_ms: int) -> bytes:
    """Write a host application's STATE payload."""
    return json.dumps({"online": is_online, "timestamp": time_ms}).encode()


def decode_state(content: bytes) -> State | None:
    """Read a STATE payload; what cannot be read says nothing."""
    try:
        return msgspec.json.decode(content, type=State)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        return None
