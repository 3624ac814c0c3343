"""Many connections to an echo server at once: seeded random chunks there, every byte compared on its way back."""

import asyncio
import random
import sys

CONNECTIONS = 200
MAX_BYTES = 1 << 19
MAX_CHUNK = 1 << 16


async def connection(port, seed):
    rng = random.Random(seed)
    data = rng.randbytes(rng.randrange(MAX_BYTES))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send():
        position = 0
        while position < len(data):
            length = rng.randrange(1, MAX_CHUNK)
            writer.write(data[position:position + length])
            await writer.drain()
            position += length
        # Closes this direction only: the rest of the echo is still to come.
        writer.write_eof()

    async def receive():
        position = 0
        while chunk := await reader.read(rng.randrange(1, MAX_CHUNK)):
            if chunk != data[position:position + len(chunk)]:
                raise ValueError(f"connection {seed}: wrong bytes after {position}")
            position += len(chunk)
        if position != len(data):
            raise ValueError(f"connection {seed}: {position} of {len(data)} bytes came back")
        return position

    _, received = await asyncio.gather(send(), receive())
    writer.close()
    await writer.wait_closed()
    return received


async def main(port):
    echoed = await asyncio.gather(*(connection(port, seed) for seed in range(CONNECTIONS)))
    print(len(echoed), sum(echoed))


asyncio.run(main(int(sys.argv[1])))
