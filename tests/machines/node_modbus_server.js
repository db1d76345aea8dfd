// A modbus-serial server, slow and with delayed acknowledgements: node_modbus_server.js PORT. Register and input a
// hold a until written, coil a is on where a is even. Addresses 50 to 52 and 200 are forbidden, register 60 takes no
// write, and answers for addresses from 1000 on come three seconds late.
const { ServerTCP } = require('modbus-serial');
const written = new Map();
const coils = new Map();
const isForbidden = (address) => (address >= 50 && address <= 52) || address === 200;
const refuse = (code) => Promise.reject(Object.assign(new Error('refused'), { modbusErrorCode: code }));
const held = (address) => {
  if (isForbidden(address)) return refuse(2);
  const value = written.has(address) ? written.get(address) : address;
  return address >= 1000 ? new Promise((done) => setTimeout(() => done(value), 3000)) : value;
};
const coil = (address) => (isForbidden(address) ? refuse(2) : coils.has(address) ? coils.get(address) : address % 2 === 0);
new ServerTCP(
  {
    getHoldingRegister: held,
    getInputRegister: held,
    getCoil: coil,
    getDiscreteInput: coil,
    setRegister: (address, value) => (address === 60 ? refuse(4) : void written.set(address, value)),
    setCoil: (address, value) => void coils.set(address, value),
    readDeviceIdentification: () => ({ 0: 'node', 1: 'serial', 2: '8.0', 5: 'slow one' }),
  },
  { host: '127.0.0.1', port: Number(process.argv[2]), debug: false, unitID: 1 },
).on('initialized', () => console.log('READY'));
