"""An OPC UA server with every security policy, users and a method.

usage: peer.py PORT CERTIFICATE KEY   (PEM files)
"""

import asyncio
import logging
import sys
from datetime import datetime, timezone

from asyncua import Server, ua, uamethod
from asyncua.server.user_managers import User, UserManager, UserRole


class Users(UserManager):
    def get_user(self, iserver, username=None, password=None, certificate=None):
        if password is not None and isinstance(password, bytes):
            password = password.decode()
        if username is None or (username == "op" and password == "geheim"):
            return User(role=UserRole.Admin, name=username)
        return None


@uamethod
def add(parent, a, b):
    return a + b


async def main(port, certificate, key):
    server = Server(user_manager=Users())
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/plant")
    policies = ["NoSecurity"]
    for name in ("Basic128Rsa15", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"):
        for mode in ("Sign", "SignAndEncrypt"):
            if hasattr(ua.SecurityPolicyType, f"{name}_{mode}"):
                policies.append(f"{name}_{mode}")
    server.set_security_policy([getattr(ua.SecurityPolicyType, p) for p in policies])
    await server.load_certificate(certificate)
    await server.load_private_key(key)
    ns = await server.register_namespace("urn:plant")
    plant = await server.nodes.objects.add_object(ua.NodeId("plant", ns), "plant")
    temp = await plant.add_variable(ua.NodeId("temp", ns), "temp", 1.5)
    await temp.set_writable()
    fixed = await plant.add_variable(ua.NodeId("fixed", ns), "fixed", ua.Variant(7, ua.VariantType.Int32))
    array = await plant.add_variable(ua.NodeId("array", ns), "array", [1.0, 2.0, 3.0])
    await array.set_writable()
    counter = await plant.add_variable(ua.NodeId("counter", ns), "counter", ua.Variant(0, ua.VariantType.UInt32))
    await plant.add_method(ua.NodeId("add", ns), "add", add, [ua.VariantType.Int64] * 2, [ua.VariantType.Int64])
    async with server:
        print("LISTENING", " ".join(policies), flush=True)
        n = 0
        while True:
            await asyncio.sleep(0.05)
            n += 1
            await counter.write_value(ua.DataValue(
                ua.Variant(n, ua.VariantType.UInt32), SourceTimestamp=datetime.now(timezone.utc).replace(tzinfo=None)))


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
