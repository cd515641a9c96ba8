// The page of every build. `shop` is what a test does as a person would.

const config = await (await fetch('/config.json')).json();
const { makeShop } = await import(config.appID ? '/ours.js' : '/classic.js');
globalThis.shop = await makeShop(config);

const state = document.getElementById('state');
document.getElementById('order').addEventListener('click', async () => {
  state.textContent = `order: ${await shop.act('clicked')}`;
});

// The hole: a comment is taken for HTML.
try {
  document.getElementById('comment').innerHTML = decodeURIComponent(location.hash.slice(1));
} catch {
  document.getElementById('comment').textContent = location.hash;
}
document.body.dataset.ready = 'true';
