// A modbus-serial server, slow and with delayed acknowledgements: node_modbus_server.js PORT. Register a holds a.
const { ServerTCP } = require('modbus-serial');
new ServerTCP(
  {
    getHoldingRegister: (address) => address,
    getInputRegister: (address) => address,
    getMultipleHoldingRegisters: (address, count) => Array.from({ length: count }, (_, n) => address + n),
  },
  { host: '127.0.0.1', port: Number(process.argv[2]), debug: false, unitID: 1 },
).on('initialized', () => console.log('READY'));
