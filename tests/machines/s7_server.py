"""A Siemens controller by python-snap7: `s7_server.py PORT`. Commands: put|OCTET|HEX (into DB1), get|OCTET|COUNT.

DB1 has 200 octets, DB2 has 16 and there is no DB3. It listens on loopback only.
"""

import asyncio
import logging
import sys

from commands import serve_commands
from snap7.server import Server
from snap7.type import SrvArea


async def main(port):
    logging.disable(logging.CRITICAL)
    server = Server(log=False)
    first, second, flags = bytearray(200), bytearray(16), bytearray(32)
    server.register_area(SrvArea.DB, 1, first)
    server.register_area(SrvArea.DB, 2, second)
    server.register_area(SrvArea.MK, 0, flags)
    server.start_to("127.0.0.1", port)

    def act(verb, octet, word):
        at = int(octet)
        if verb == "put":
            octets = bytes.fromhex(word)
            first[at : at + len(octets)] = octets
        else:
            print(bytes(first[at : at + int(word)]).hex(), flush=True)

    await serve_commands(act)
    server.stop()


asyncio.run(main(int(sys.argv[1])))
