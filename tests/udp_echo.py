"""Many clients of an echo server for datagrams: asyncio's, each with one question at a time, which is asked again if it is lost."""

import asyncio
import random
import sys

CLIENTS = 20
QUESTIONS = 50
LIMIT = 1.0
TRIES = 10


class Client(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
        self.answers = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.answers.put_nowait(data)

    def error_received(self, error):
        self.answers.put_nowait(error)

    async def ask(self, question):
        for _ in range(TRIES):
            self.transport.sendto(question)
            try:
                async with asyncio.timeout(LIMIT):
                    while (answer := await self.answers.get()) != question:
                        if isinstance(answer, Exception):
                            raise answer
                return
            except TimeoutError:
                pass
        raise TimeoutError(f"no answer to {len(question)} bytes")


async def client(port, seed):
    rng = random.Random(seed)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        Client, remote_addr=("127.0.0.1", port))
    for number in range(QUESTIONS):
        # Up to the longest that there are. Empty ones are not sent by all versions of asyncio.
        length = rng.choice([1, 100, 1472, 9000, 65507])
        await protocol.ask(rng.randbytes(length))
    transport.close()


async def main(port):
    await asyncio.gather(*(client(port, seed) for seed in range(CLIENTS)))
    print(CLIENTS * QUESTIONS)


asyncio.run(main(int(sys.argv[1])))
