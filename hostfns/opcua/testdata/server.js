// An OPC UA server of another make with every security policy that it has, users
// and a method. It trusts the certificate of whatever client comes.
//
// usage: server.js PORT CERTIFICATE KEY FOLDER   (PEM files; the folder is its own)
"use strict";
const { OPCUAServer, OPCUACertificateManager, MessageSecurityMode, SecurityPolicy, DataType, VariantArrayType, StatusCodes } = require("node-opcua");

async function main(port, certificateFile, privateKeyFile, rootFolder) {
  const certificates = new OPCUACertificateManager({ rootFolder, automaticallyAcceptUnknownCertificate: true });
  await certificates.initialize();
  const names = ["None", "Basic128Rsa15", "Basic256", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"];
  const server = new OPCUAServer({
    port, hostname: "127.0.0.1", resourcePath: "/plant", certificateFile, privateKeyFile,
    serverCertificateManager: certificates, userCertificateManager: certificates,
    securityPolicies: names.map((n) => SecurityPolicy[n]),
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    allowAnonymous: true,
    serverInfo: { applicationUri: "urn:plant" },
    userManager: { isValidUser: (user, password) => user === "op" && password === "geheim" },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const ns = space.registerNamespace("urn:press");
  const plant = ns.addObject({ browseName: "plant", nodeId: "s=plant", organizedBy: space.rootFolder.objects });
  const variable = (name, dataType, value, more) =>
    ns.addVariable({ browseName: name, nodeId: "s=" + name, componentOf: plant, dataType, value: { dataType, value, ...more }, minimumSamplingInterval: 0 });
  const readOnly = (v) => (v.accessLevel = v.userAccessLevel = 1);
  variable("temp", DataType.Double, 1.5);
  readOnly(variable("fixed", DataType.Int32, 7));
  variable("array", DataType.Double, Float64Array.from([1, 2, 3]), { arrayType: VariantArrayType.Array });
  const counter = variable("counter", DataType.UInt32, 0);
  const integer = (name) => ({ name, dataType: DataType.Int64, valueRank: -1 });
  const add = ns.addMethod(plant, { browseName: "add", nodeId: "s=add", inputArguments: [integer("a"), integer("b")], outputArguments: [integer("sum")] });
  add.bindMethod(([a, b], _context, done) => done(null, {
    statusCode: StatusCodes.Good,
    outputArguments: [{ dataType: DataType.Int64, arrayType: VariantArrayType.Scalar, value: [0, a.value[1] + b.value[1]] }],
  }));
  await server.start();
  let n = 0;
  setInterval(() => counter.setValueFromSource({ dataType: DataType.UInt32, value: ++n }), 50);
  const offers = new Set(server.endpoints.flatMap((e) => e.endpointDescriptions().map((d) =>
    d.securityPolicyUri.split("#")[1].replaceAll("_", "") + "_" + MessageSecurityMode[d.securityMode])));
  console.log("LISTENING", [...offers].join(" "));
}

main(Number(process.argv[2]), ...process.argv.slice(3)).catch((e) => {
  console.error(e);
  process.exit(1);
});
