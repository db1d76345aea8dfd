// A node-opcua server: node_opcua_server.js PORT PKI_DIR. N doubles change ten times a second; user u, password p.
const { OPCUAServer, OPCUACertificateManager, DataType, MessageSecurityMode, SecurityPolicy } = require('node-opcua');
const [port, pki] = process.argv.slice(2);
(async () => {
  const trusted = new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: true, rootFolder: pki });
  const server = new OPCUAServer({
    port: Number(port), host: '127.0.0.1', hostname: '127.0.0.1', resourcePath: '/peer',
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    allowAnonymous: true, serverCertificateManager: trusted,
    userManager: { isValidUser: (name, password) => name === 'u' && password === 'p' },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const machine = own.addObject({ organizedBy: space.rootFolder.objects, browseName: 'Machine', nodeId: 'ns=1;s=M' });
  const doubles = [...Array(1000).keys()].map((n) => own.addVariable({
    componentOf: machine, browseName: 'v' + n, nodeId: 'ns=1;s=v' + n, dataType: 'Double',
    minimumSamplingInterval: 10, value: { dataType: DataType.Double, value: 0 },
  }));
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
})();
