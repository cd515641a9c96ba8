// The same replays in a browser: `data-said` is what came of them (tests/it/browser/vectors.rs).
import { SEEDS, replay as replayStream } from './client.mjs';
import { replay as replayProofs } from './proofs.mjs';
import { clients } from './transcripts.mjs';

async function run() {
  const files = new URLSearchParams(location.search).getAll('file');
  const texts = await Promise.all(files.map(async (file) => [file, await (await fetch(`/vectors/stream/${file}`)).text()]));
  // Evidence is for back ends: browsers have nothing that checks signatures without a wait.
  const transcripts = clients(texts).filter(({ header }) => !header.evidence);
  const differences = transcripts.map((transcript) => SEEDS.map((seed) => replayStream(transcript, seed)).find(Boolean));
  let cases = 0;
  for (const file of ['requests.json', 'sockets.json']) {
    const vectors = await (await fetch(`/vectors/proof/${file}`)).json();
    differences.push(...(await replayProofs(vectors)).differences);
    cases += vectors.cases.length;
  }
  const off = differences.filter(Boolean);
  if (off.length > 0) throw new Error(off.join('\n'));
  return [`replayed stream ${transcripts.length}`, `replayed proof ${cases}`].join('\n');
}

document.documentElement.dataset.said = await run().catch((error) => String(error));
