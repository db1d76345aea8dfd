// A node-opcua server: node_opcua_server.js PORT PKI_DIR [JSON of capabilities]. N doubles change ten times a second;
// user u, password p. Commands: delete|NAME, add|NAME|VALUE.
const { OPCUAServer, OPCUACertificateManager, DataType, MessageSecurityMode, SecurityPolicy } = require('node-opcua');
const readline = require('readline');
const [port, pki, capabilities] = process.argv.slice(2);
(async () => {
  const trusted = new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: true, rootFolder: pki });
  const server = new OPCUAServer({
    port: Number(port), host: '127.0.0.1', hostname: 'plc-7.invalid', resourcePath: '/peer',
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes256_Sha256_RsaPss],
    allowAnonymous: true, serverCertificateManager: trusted,
    serverCapabilities: JSON.parse(capabilities || '{}'),
    userManager: { isValidUser: (name, password) => name === 'u' && password === 'p' },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const machine = own.addObject({ organizedBy: space.rootFolder.objects, browseName: 'Machine', nodeId: 'ns=1;s=M' });
  const add = (name, value) => own.addVariable({
    componentOf: machine, browseName: name, nodeId: 'ns=1;s=' + name, dataType: 'Double',
    minimumSamplingInterval: 10, value: { dataType: DataType.Double, value },
  });
  const doubles = [...Array(1000).keys()].map((n) => add('v' + n, 0));
  const single = { spare: add('spare', 5) };
  own.addVariable({
    componentOf: machine, browseName: 'Execution', nodeId: 'ns=1;s=Execution', dataType: 'LocalizedText',
    value: { dataType: DataType.LocalizedText, value: { text: 'Executing' } },
  });
  await server.start();
  console.log('READY');
  let count = 0;
  setInterval(() => {
    count += 1;
    for (const one of doubles) one.setValueFromSource({ dataType: DataType.Double, value: count });
  }, 100);
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const [verb, name, value] = line.split('|');
    if (verb === 'delete') space.deleteNode(single[name]);
    if (verb === 'add') single[name] = add(name, Number(value));
    console.log('OK');
  });
})();
