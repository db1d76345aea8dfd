// A node-opcua server whose address space has what real ones have: node_opcua_space.js PORT FIRST_NAMESPACE.
// Three namespaces, of which the machine's own comes at the index that FIRST_NAMESPACE (first|last) leaves it. Commands:
// set|NAME|NUMBER, array|NAME|JSON.
const {
  OPCUAServer, DataType, VariantArrayType, makeEUInformation, StatusCodes, coerceNodeId, standardUnits,
} = require('node-opcua');
const readline = require('readline');
const [port, order] = process.argv.slice(2);
(async () => {
  const server = new OPCUAServer({ port: Number(port), host: '127.0.0.1', hostname: 'plc-7.invalid', resourcePath: '/space' });
  await server.initialize();
  const space = server.engine.addressSpace;
  const uris = ['urn:vendor:types', 'urn:vendor:other', 'urn:vendor:cell'];
  if (order === 'last') uris.reverse();
  for (const uri of uris) space.registerNamespace(uri);
  const cell = space.getNamespace('urn:vendor:cell');
  const n = cell.index;
  const machine = cell.addObject({ organizedBy: space.rootFolder.objects, browseName: 'Cell', nodeId: `ns=${n};s=Cell` });
  const known = {};
  const add = (browseName, dataType, value, more = {}) => {
    known[browseName] = cell.addVariable({
      componentOf: machine, browseName, nodeId: `ns=${n};s=${browseName}`, dataType, value: { dataType, ...value }, ...more,
    });
    return known[browseName];
  };
  add('Guid', DataType.Double, { value: 1 }, { nodeId: `ns=${n};g=11111111-2222-3333-4444-555555555555` });
  add('Opaque', DataType.Double, { value: 2 }, { nodeId: `ns=${n};b=AQIDBAU=` });
  add('Numeric', DataType.Double, { value: 3 }, { nodeId: `ns=${n};i=4000000000` });
  add('Odd "name";s=x', DataType.Double, { value: 4 }, { nodeId: `ns=${n};s=Odd "name";s=x/[0]` });
  add('Array', DataType.Double, { arrayType: VariantArrayType.Array, value: new Float64Array([1.5, 2.5]) }, { valueRank: 1 });
  add('Matrix', DataType.Double,
    { arrayType: VariantArrayType.Matrix, dimensions: [2, 2], value: new Float64Array([1, 2, 3, 4]) },
    { valueRank: 2, arrayDimensions: [2, 2] });
  add('Flags', DataType.Boolean, { arrayType: VariantArrayType.Array, value: [true, false, true] }, { valueRank: 1 });
  add('Words', DataType.String, { arrayType: VariantArrayType.Array, value: ['door', null] }, { valueRank: 1 });
  add('Long', DataType.Double, { arrayType: VariantArrayType.Array, value: new Float64Array(65) }, { valueRank: 1 });
  add('Empty', DataType.Double, { arrayType: VariantArrayType.Array, value: new Float64Array(0) }, { valueRank: 1 });
  const owner = add('Own', DataType.Double, { arrayType: VariantArrayType.Array, value: new Float64Array([5]) }, { valueRank: 1 });
  cell.addVariable({
    componentOf: owner, browseName: '[0]', nodeId: `ns=${n};s=Own[0]`, dataType: 'Double', value: { dataType: DataType.Double, value: 5 },
  });
  add('Range', DataType.ExtensionObject, { value: null }, { dataType: 'Range' });
  add('Name', DataType.LocalizedText, { value: { text: 'Fräse', locale: 'de' } });
  add('Started', DataType.DateTime, { value: new Date('2026-01-05T08:00:00Z') });
  add('Total', DataType.UInt64, { arrayType: VariantArrayType.Scalar, value: [0x00200000, 3] });
  add('Signed', DataType.Int64, { arrayType: VariantArrayType.Scalar, value: [0xffffffff, 0xfffffff6] });
  add('Octets', DataType.ByteString, { value: Buffer.from([1, 2, 255]) });
  add('Waits', DataType.Double, { value: 0 }, {
    value: { refreshFunc: (done) => done(null, { statusCode: StatusCodes.BadWaitingForInitialData, sourceTimestamp: new Date() }) },
  });
  cell.addVariable({
    componentOf: machine, browseName: 'Wait', nodeId: `ns=${n};s=Wait`, dataType: 'Duration', minimumSamplingInterval: 100,
    value: { refreshFunc: (done) => done(null, { statusCode: StatusCodes.BadWaitingForInitialData, sourceTimestamp: new Date() }) },
  });
  known.Temperature = cell.addAnalogDataItem({
    componentOf: machine, browseName: 'Temperature', nodeId: `ns=${n};s=Temperature`, dataType: 'Double',
    engineeringUnitsRange: { low: -40, high: 250 }, engineeringUnits: standardUnits.degree_celsius,
    value: { dataType: DataType.Double, value: 21.5 },
  });
  cell.addAnalogDataItem({
    componentOf: machine, browseName: 'Flow', nodeId: `ns=${n};s=Flow`, dataType: 'Float',
    engineeringUnitsRange: { low: 0, high: 100 }, engineeringUnits: makeEUInformation('E32', 'l/h', 'litre per hour'),
    value: { dataType: DataType.Float, value: 12.5 },
  });
  known.Mode = cell.addMultiStateDiscrete({
    componentOf: machine, browseName: 'Mode', nodeId: `ns=${n};s=Mode`, enumStrings: ['Manual', 'Automatic', 'Set-up'], value: 1,
  });
  cell.addMultiStateValueDiscrete({
    componentOf: machine, browseName: 'Grade', nodeId: `ns=${n};s=Grade`, dataType: 'UInt16',
    enumValues: [{ displayName: 'Rough', value: 10 }, { displayName: 'Fine', value: 20 }], value: 20,
  });
  cell.addTwoStateDiscrete({
    componentOf: machine, browseName: 'Door', nodeId: `ns=${n};s=Door`, trueState: 'Open', falseState: 'Closed', value: true,
  });
  const kinds = cell.addEnumerationType({ browseName: 'Kinds', enumeration: [{ displayName: 'Idle', value: 3 }, { displayName: 'Busy', value: 7 }] });
  cell.addVariable({
    componentOf: machine, browseName: 'Kind', nodeId: `ns=${n};s=Kind`, dataType: kinds.nodeId,
    value: { dataType: DataType.Int32, value: 7 },
  });
  let parent = machine;
  for (let depth = 0; depth < 30; depth += 1) {
    parent = cell.addObject({ componentOf: parent, browseName: `Level${depth}`, nodeId: `ns=${n};s=Level${depth}` });
  }
  cell.addVariable({
    componentOf: parent, browseName: 'Deep', nodeId: `ns=${n};s=Deep`, dataType: 'Double', value: { dataType: DataType.Double, value: 30 },
  });
  parent.addReference({ referenceType: 'Organizes', nodeId: machine.nodeId });
  await server.start();
  console.log('READY');
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const [verb, name, value] = line.split('|');
    const { dataType } = known[name].readValue().value;
    known[name].setValueFromSource(verb === 'array'
      ? { dataType, arrayType: VariantArrayType.Array, value: JSON.parse(value) } : { dataType, value: Number(value) });
    console.log('OK');
  });
})().catch((fault) => { console.error(fault); process.exit(1); });
