// Draws the threat matrix from /threats.json, which `cargo xtask attack` makes.

import { make } from '/assets/site.js';

const SVG = 'http://www.w3.org/2000/svg';
const VERDICTS = {
  held: { word: 'Held', class: 'held', path: 'M10 1.8l6.5 2.4v5.2c0 4-2.7 7.3-6.5 8.7-3.8-1.4-6.5-4.7-6.5-8.7V4.2zM6.9 10.1l2.2 2.2 4.1-4.5' },
  fell: { word: 'Fell', class: 'fell', path: 'M10 2a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM7 7l6 6M13 7l-6 6' },
  none: { word: 'Not there', class: 'none' },
};

function makeIcon(d) {
  const icon = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  const stroke = { d, fill: 'none', stroke: 'currentColor', 'stroke-width': '1.6', 'stroke-linecap': 'round', 'stroke-linejoin': 'round' };
  for (const [name, value] of Object.entries({ viewBox: '0 0 20 20', 'aria-hidden': 'true' })) icon.setAttribute(name, value);
  for (const [name, value] of Object.entries(stroke)) path.setAttribute(name, value);
  icon.append(path);
  return icon;
}

function makeVerdict(cell) {
  const verdict = VERDICTS[cell?.verdict] ?? VERDICTS.none;
  return make('span', { class: `verdict ${verdict.class}` }, verdict.path ? makeIcon(verdict.path) : null, verdict.word);
}

function makeAttack(attack, columns) {
  const cells = columns.map((column) => [column, attack.cells[column.id]]);
  return make('tr', { role: 'row' },
    make('th', { role: 'rowheader', scope: 'row' }, attack.title, attack.note ? make('span', { class: 'remark' }, attack.note) : null),
    ...cells.map(([column, cell]) => make('td', { role: 'cell', 'data-column': column.title, class: column.ours ? 'ours' : null },
      make('span', {}, makeVerdict(cell), column.ours && cell?.note ? make('span', { class: 'remark' }, cell.note) : null))));
}

// The roles repeat what the elements mean: narrow screens lay the table out as blocks, which drops the meaning.
function makeTable({ columns, rows }) {
  return make('table', { class: 'threats stack', role: 'table', 'aria-labelledby': 'threats' },
    make('thead', { role: 'rowgroup' }, make('tr', { role: 'row' },
      make('th', { role: 'columnheader', scope: 'col' }, 'Attack'),
      ...columns.map((column) => make('th', { role: 'columnheader', scope: 'col', class: column.ours ? 'ours' : null }, column.title)))),
    ...rows.map((row) => make('tbody', { role: 'rowgroup' },
      make('tr', { role: 'row', class: 'group' },
        make('th', { role: 'rowheader', scope: 'rowgroup' }, row.title),
        ...columns.map((column) => make('td', { role: 'cell', class: column.ours ? 'ours' : null }))),
      ...row.attacks.map((attack) => makeAttack(attack, columns)))));
}

function countInWords({ columns, rows }) {
  const attacks = rows.flatMap((row) => row.attacks);
  const counts = columns.map(({ id, title }) => {
    const count = (verdict) => attacks.filter(({ cells }) => cells[id]?.verdict === verdict).length;
    return `${title}: ${count('held')} held, ${count('fell')} fell`;
  });
  return `${attacks.length} attacks. ${counts.join('; ')}.`;
}

const place = document.getElementById('threat-matrix');
try {
  const response = await fetch('/threats.json');
  if (!response.ok) throw new Error(`status ${response.status}`);
  const matrix = await response.json();
  place.replaceChildren(makeTable(matrix));
  document.getElementById('threat-count').textContent = countInWords(matrix);
  // The page has grown above anything that the address may point to.
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
} catch {
  place.replaceChildren(make('p', { class: 'message' }, 'The matrix could not be loaded. Reload the page to try again.'));
}
