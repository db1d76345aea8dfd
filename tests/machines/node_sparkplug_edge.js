// The sparkplug-client edge node: node_sparkplug_edge.js PORT. It leaves time stamps and seq details to itself.
const { newClient } = require('sparkplug-client');
const client = newClient({
  serverUrl: `tcp://127.0.0.1:${process.argv[2]}`, username: '', password: '', groupId: 'G1', edgeNode: 'E1',
  clientId: 'sparkplug-client', version: 'spBv1.0',
});
let timer;
client.on('birth', () => {
  client.publishNodeBirth({ timestamp: Date.now(), metrics: [{ name: 'Node Control/Rebirth', type: 'Boolean', value: false }] });
  client.publishDeviceBirth('D1', {
    timestamp: Date.now(),
    metrics: [
      { name: 'SpindleSpeed', type: 'Double', value: 100 },
      { name: 'PartCount', type: 'UInt64', value: 5 },
      { name: 'Offset', type: 'Int8', value: -3 },
      { name: 'Execution', type: 'String', value: 'Running' },
    ],
  });
  timer ??= setInterval(() => client.publishDeviceData('D1', {
    timestamp: Date.now(), metrics: [{ name: 'SpindleSpeed', type: 'Double', value: Math.random() * 100 }],
  }), 100);
  console.log('READY');
});
client.on('ncmd', (command) => {
  if (command.metrics.some((one) => one.name === 'Node Control/Rebirth' && one.value)) client.emit('birth');
});
