// A host of others: sparkplug-payload over mqtt.js hears one edge node: node_sparkplug_host.js PORT GROUP EDGE.
// It asks for births when it is ready; the command `said` prints what it decoded since, a JSON line per message.
const mqtt = require('mqtt');
const payload = require('sparkplug-payload').get('spBv1.0');
const readline = require('readline');
const [port, group, edge] = process.argv.slice(2);
const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 });
const said = [];
// 64-bit numbers come as two halves
const plain = (key, value) => (value && value.high !== undefined ? value.high * 2 ** 32 + (value.low >>> 0) : value);
client.on('message', (topic, content) => {
  const type = topic.split('/')[2];
  if (type.endsWith('CMD')) return;
  said.push(JSON.stringify({ type, ...payload.decodePayload(content) }, plain));
});
client.on('connect', () => client.subscribe(`spBv1.0/${group}/#`, () => {
  const metrics = [{ name: 'Node Control/Rebirth', type: 'Boolean', value: true, timestamp: Date.now() }];
  client.publish(`spBv1.0/${group}/NCMD/${edge}`, payload.encodePayload({ timestamp: Date.now(), metrics }));
  console.log('READY');
}));
readline.createInterface({ input: process.stdin }).on('line', () => {
  for (const line of said) console.log(line);
  console.log('OK');
});
