"use strict";

/* Sorting: a click on a column's head; the words or numbers that a cell carries in data-value decide. */
function sortBy(head, column) {
  const table = head.closest("table");
  const down = head.getAttribute("aria-sort") === "ascending";
  table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
    return down ? -order : order;
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
}

document.querySelectorAll("thead th").forEach((head) => {
  head.querySelector("button")?.addEventListener("click", () => sortBy(head, head.cellIndex));
});

/* Filtering: lines and maps of baselines whose name does not hold the words are hidden. */
document.querySelector("#filter").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  document.querySelectorAll("[data-baseline]").forEach((line) => {
    const name = line.dataset.baseline.toLowerCase();
    line.hidden = words.length > 0 && !words.some((word) => name.includes(word));
  });
});

/* Rows: what a number was computed from; unpacked when the first one is asked for. */
let unpacked = null;
async function measurements() {
  const packed = Uint8Array.from(atob(document.querySelector("#rows").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const lines = (await new Response(stream).text()).trimEnd().split("\n");
  return lines.map((line) => line.split("\t"));
}

/* A training that was measured on its way counts as it ended, unless the number asks for an epoch. */
function asEnded(rows, head, wanted) {
  if ("epoch" in wanted) return rows;
  const epoch = head.indexOf("epoch");
  const places = ["protocol", "baseline", "seed", "order", "stage", "trained_on", "fraction"].map((n) => head.indexOf(n));
  const training = (row) => places.map((place) => row[place]).join("\t");
  const last = new Map();
  rows.forEach((row) => last.set(training(row), Math.max(Number(row[epoch]), last.get(training(row)) ?? 0)));
  return rows.filter((row) => Number(row[epoch]) === last.get(training(row)));
}

const MOST_LINES = 1000;
async function show(link) {
  unpacked ??= await measurements();
  const [head, ...rows] = unpacked;
  const wanted = JSON.parse(link.dataset.rows);
  const tests = Object.entries(wanted).map(([name, value]) => [head.indexOf(name), [value].flat().map(String)]);
  const found = asEnded(rows.filter((row) => tests.every(([column, values]) => values.includes(row[column]))), head, wanted);
  const dialog = document.querySelector("dialog");
  const words = `${link.textContent.trim()} comes from ${found.length} measurements`;
  const first = found.length > MOST_LINES ? `; the first ${MOST_LINES} of them, all are in rows.csv` : "";
  dialog.querySelector("h3").textContent = words + first;
  const cells = (row, tag) => row.map((text) => Object.assign(document.createElement(tag), { textContent: text }));
  const line = (row, tag) => {
    const element = document.createElement("tr");
    element.append(...cells(row, tag));
    return element;
  };
  dialog.querySelector("thead").replaceChildren(line(head, "th"));
  dialog.querySelector("tbody").replaceChildren(...found.slice(0, MOST_LINES).map((row) => line(row, "td")));
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-rows]");
  if (!link) return;
  event.preventDefault();
  show(link);
});
