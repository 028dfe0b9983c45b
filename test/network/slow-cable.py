"""A cable that delays, loses and reorders: every Ethernet frame between two TAP interfaces. This kernel has no netem.

usage: slow-cable.py TAP TAP DELAY_MS JITTER_MS LOSS_PERCENT SEED
Prints one line when it carries frames; ends with its process. Frames overtake each other when there is jitter.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
LONGEST_FRAME = 65_600


def open_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def main():
    first, second = open_tap(sys.argv[1]), open_tap(sys.argv[2])
    delay, jitter, loss, seed = (float(text) for text in sys.argv[3:7])
    chance = random.Random(seed)
    other = {first: second, second: first}
    waiting = []
    number = 0
    print("carries", flush=True)
    while True:
        timeout = None if not waiting else max(0.0, waiting[0][0] - time.monotonic())
        for tap in select.select([first, second], [], [], timeout)[0]:
            try:
                while True:
                    frame = os.read(tap, LONGEST_FRAME)
                    if chance.random() * 100 < loss:
                        continue
                    number += 1
                    due = time.monotonic() + (delay + chance.random() * jitter) / 1000
                    heapq.heappush(waiting, (due, number, other[tap], frame))
            except BlockingIOError:
                pass
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, tap, frame = heapq.heappop(waiting)
            try:
                os.write(tap, frame)
            except OSError:
                pass  # its interface is down: lost, like on any cable


main()
