// Prints who signs in and out, for as long as it runs. This is the whole protocol of the shortest client.
import WebSocket from 'ws';

const socket = new WebSocket(process.env.PASSKEY_ACCOUNTS_URL ?? 'ws://localhost:8080/');

socket.on('open', () => {
  socket.send(JSON.stringify({ apiKey: process.env.PASSKEY_ACCOUNTS_API_KEY }));
});

socket.on('message', (message) => {
  const event = JSON.parse(message);
  if (event.type === 'loggedIn') {
    console.log('signed in:', event.data.accountID);
  } else if (event.type === 'loggedOut') {
    console.log('signed out:', event.data.accountID);
  } else if (event.type === 'error') {
    console.error(event.data.message);
  }
});

socket.on('error', (error) => console.error(error.message));

socket.on('close', (code, reason) => {
  console.error(`The server ended the connection: ${code} ${reason}`);
  process.exitCode = 1;
});
