"""Modbus units for tests, as pymodbus plays them.

simulator.py rtu PORT | simulator.py tcp PORT | simulator.py rtutcp PORT

Units 1 and 2 are there. Input register 0 counts the seconds in tenths, so that
polls see it change. Holding registers 0 to 19, 100 to 109 and 200 to 229 (one value in each order), coils 0 to 15 and
discrete inputs 0 to 15 are there, and nothing else. A line "ready" is printed once
it serves; it ends with its standard input.
"""

import asyncio
import struct
import sys

from pymodbus import FramerType
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.datastore import ModbusDeviceContext, ModbusServerContext, ModbusSparseDataBlock
from pymodbus.server import ModbusSerialServer, ModbusTcpServer


def words(fmt, *values):
    return list(struct.unpack(">%dH" % (struct.calcsize(fmt) // 2), struct.pack(fmt, *values)))


def orders():
    """Values as pymodbus orders their registers, and with the bytes of each swapped."""
    kinds = ModbusClientMixin.DATATYPE
    at, registers = 200, {}

    def put(value, kind, word_order, swapped=False):
        nonlocal at
        for word in ModbusClientMixin.convert_to_registers(value, kind, word_order=word_order):
            registers[at] = (word & 0xFF) << 8 | word >> 8 if swapped else word
            at += 1

    for order in ("big", "little"):
        for swapped in (False, True):
            put(-123456.5, kinds.FLOAT32, order, swapped)
            put(-70000, kinds.INT32, order, swapped)
    put(2**40 + 7, kinds.UINT64, "little")
    put(-(2**40), kinds.INT64, "big", True)
    put(0.1, kinds.FLOAT64, "little", True)
    put("pump", kinds.STRING, "big", True)
    return registers


def unit(number):
    holding = [0] * 20
    holding[0] = 2300 + number
    holding[1] = 0xFFF6  # -10
    holding[2:4] = words(">I", 100000)
    holding[4:6] = words(">f", 21.5)
    holding[6:9] = words(">6s", b"Hello")
    registers = dict(enumerate(holding)) | {i: i for i in range(100, 110)} | orders()
    return ModbusDeviceContext(
        di=ModbusSparseDataBlock({i: i % 2 == 0 for i in range(16)}),
        co=ModbusSparseDataBlock({i: i == 3 for i in range(16)}),
        hr=ModbusSparseDataBlock(registers),
        ir=ModbusSparseDataBlock({i: 0 for i in range(8)}),
    )


async def main():
    kind, where = sys.argv[1:]
    units = {n: unit(n) for n in (1, 2)}
    context = ModbusServerContext(devices=units, single=False)
    if kind == "rtu":
        server = ModbusSerialServer(context, framer=FramerType.RTU, port=where, baudrate=19200)
    else:
        framer = FramerType.SOCKET if kind == "tcp" else FramerType.RTU
        server = ModbusTcpServer(context, framer=framer, address=("127.0.0.1", int(where)))
    await server.serve_forever(background=True)
    print("ready", flush=True)

    async def count():
        n = 0
        while True:
            n = (n + 1) % 65536
            for u in units.values():
                u.setValues(4, 0, [n])
            await asyncio.sleep(0.1)

    counting = asyncio.create_task(count())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    counting.cancel()
    await server.shutdown()


asyncio.run(main())
