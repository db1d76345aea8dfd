"""Another MQTT client on the same broker: publishes, and notes what it hears with its QoS and retain flag."""

from contextlib import asynccontextmanager

import anyio
from gmqtt import Client
from gmqtt.mqtt.constants import MQTTv311


class Friend:
    def __init__(self, client):
        self.client = client
        self.heard = []

    def publish(self, topic, content, *, qos=0, retain=False):
        self.client.publish(topic, content, qos=qos, retain=retain)

    def note(self, _client, topic, content, qos, properties):
        self.heard.append((topic, bytes(content), qos, bool(properties.get("retain"))))
        return 0

    def of(self, part):
        return [one for one in self.heard if part in one[0]]


@asynccontextmanager
async def friend(port, *topics, user=None):
    """Connect, subscribe with QoS 1, and leave at the end."""
    client = Client(f"friend-{anyio.current_time()}")
    other = Friend(client)
    subscribed = anyio.Event()
    client.on_message = other.note
    client.on_subscribe = lambda *_: subscribed.set()
    if user:
        client.set_auth_credentials(*user)
    client.reconnect_retries = -2
    await client.connect("127.0.0.1", port, keepalive=30, version=MQTTv311)
    if topics:
        for topic in topics:
            client.subscribe(topic, qos=1)
        await subscribed.wait()
    try:
        yield other
    finally:
        await client.disconnect()


async def until(is_so, *, within_s=30):
    """Wait until something is so, or fail."""
    with anyio.fail_after(within_s):
        while not is_so():  # noqa: ASYNC110 - another process makes it so
            await anyio.sleep(0.01)
