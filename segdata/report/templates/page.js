// The page's own script: sorts and filters galleries and tables, and keeps verdicts until they are saved to a file.
// It reads what the page says in data attributes, writes text as text alone, and asks nobody for anything.
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);
  const cards = all("[data-case]").map((element) => ({ element, ...JSON.parse(element.dataset.case) }));
  const said = new Map();      // sample_id -> {verdict, note, at}: what was said on this page; a note may come alone
  const done = [];             // for undo: [sample_id, what was said before]
  let current = null, unsaved = false;

  // --- sort and filter -------------------------------------------------------------------------------------------
  const verdictOf = (card) => (said.get(card.sample_id) || card).verdict || card.verdict || null;

  function options(select, values) {
    for (const value of [...new Set(values.filter(Boolean))].sort()) {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = value.replaceAll("_", " ");
      select.append(option);
    }
  }

  for (const tools of all("[data-tools]")) {
    const gallery = tools.parentElement.querySelector("[data-gallery]");
    const own = cards.filter((card) => gallery.contains(card.element));
    const [sort, show, mode, dataset, name] = ["sort", "show", "mode", "dataset", "name"].map((key) => one(`[data-${key}]`, tools));
    options(mode, own.map((card) => card.mode));
    options(dataset, own.map((card) => card.dataset));
    const wanted = (card) =>
      (!show.value || (show.value === "unreviewed" ? !verdictOf(card) : verdictOf(card) === show.value)) &&
      (!mode.value || card.mode === mode.value) && (!dataset.value || card.dataset === dataset.value) &&
      card.sample_id.toLowerCase().includes(name.value.toLowerCase());
    const apply = () => {
      const key = sort.value.replace("-", ""), sign = sort.value.startsWith("-") ? -1 : 1;
      const ordered = key ? [...own].sort((a, b) => {
        if (a[key] === null || b[key] === null) return (a[key] === null) - (b[key] === null);
        return sign * (a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0);
      }) : own;
      let shown = 0;
      for (const card of ordered) {
        card.element.hidden = !wanted(card);
        shown += !card.element.hidden;
        gallery.append(card.element);
      }
      one("[data-count]", tools).textContent = `${shown} of ${own.length}`;
    };
    tools.addEventListener("input", apply);
    tools.hidden = false;
    apply();
  }

  for (const table of all("table:has(thead)")) {
    all("thead th", table).forEach((head, column) => {
      let sign = -1;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        sign = -sign;
        const body = one("tbody", table);
        const cell = (row) => row.cells[column] ? row.cells[column].textContent.trim() : "";
        const number = (text) => Number(text.replaceAll("\u202f", "").replace("\u2212", "-").replace("%", "") || NaN);
        const ordered = [...body.rows].sort((a, b) => {
          const [x, y] = [number(cell(a)), number(cell(b))];
          return sign * (Number.isNaN(x) || Number.isNaN(y) ? cell(a).localeCompare(cell(b)) : x - y);
        });
        body.append(...ordered);
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      });
    });
  }

  // --- verdicts --------------------------------------------------------------------------------------------------
  const bar = one("[data-review]");
  if (!cards.length) return;
  const names = [...new Set(cards.map((card) => card.sample_id))];
  const note = one("[data-note]", bar), reviewer = one("[data-reviewer]", bar);
  const buttons = all("button[data-verdict]", bar);

  function shownCards() {
    return all("[data-case]").filter((element) => !element.hidden).map((element) => cards.find((card) => card.element === element));
  }

  function select(card, scroll = true) {
    current = card;
    for (const other of cards) other.element.classList.toggle("chosen", other === card);
    note.value = card ? (said.get(card.sample_id) || {}).note || "" : "";
    if (card && scroll) card.element.scrollIntoView({ block: "center" });
    tell();
  }

  function tell() {
    const judged = names.filter((name) => cards.some((card) => card.sample_id === name && verdictOf(card)));
    one("[data-progress]", bar).textContent = `${judged.length} of ${names.length} reviewed`;
    one("[data-current]", bar).textContent = current ? current.element.querySelector("h3").textContent : "choose a case, or Alt+N";
    for (const button of buttons) button.setAttribute("aria-pressed", String(current !== null && verdictOf(current) === button.dataset.verdict));
    one("[data-saving]", bar).hidden = !said.size && !unsaved;  // nothing said yet, nothing to save
    one("[data-saved]", bar).textContent = unsaved ? "not saved yet" : said.size ? "all saved" : "";
  }

  function mark(name) {
    for (const card of cards.filter((other) => other.sample_id === name)) {
      const chips = one(".chips", card.element);
      const chip = one("[data-own]", chips) || document.createElement("span");
      chip.dataset.own = "";
      chip.className = "chip verdict";
      const own = said.get(name);
      chip.textContent = own ? `you: ${(own.verdict || "a note").replaceAll("_", " ")}` : "";
      if (own) chips.append(chip); else chip.remove();
    }
  }

  function judge(verdict) {
    if (!current) return;
    tellOf(current.sample_id, { verdict, note: note.value });
    next();
  }

  // A note that comes after the verdict goes with it; one on a case that has none on this page goes alone.
  function annotate() {
    const own = current && said.get(current.sample_id);
    if (!current || note.value === ((own || {}).note || "")) return;
    tellOf(current.sample_id, { verdict: own ? own.verdict : null, note: note.value });
    tell();
  }

  function tellOf(name, words) {
    done.push([name, said.get(name)]);
    said.set(name, { ...words, at: new Date().toISOString() });
    unsaved = true;
    mark(name);
  }

  function next() {
    annotate();
    const shown = shownCards();
    const start = current ? shown.indexOf(current) + 1 : 0;
    select([...shown.slice(start), ...shown.slice(0, start)].find((card) => !verdictOf(card)) || current);
  }

  function undo() {
    if (!done.length) return;
    const [name, before] = done.pop();
    if (before) said.set(name, before); else said.delete(name);
    unsaved = true;
    mark(name);
    select(cards.find((card) => card.sample_id === name && !card.element.hidden) || cards.find((card) => card.sample_id === name));
  }

  // --- files -----------------------------------------------------------------------------------------------------
  const columns = ["sample_id", "image_sha256", "alpha_sha256", "verdict", "reviewer", "note", "at"];

  function rows() {
    const told = (own) => own !== undefined && (own.verdict || own.note);
    return names.filter((name) => told(said.get(name))).map((name) => {
      const card = cards.find((other) => other.sample_id === name), own = said.get(name);
      return { sample_id: name, image_sha256: card.image_sha256, alpha_sha256: card.alpha_sha256, ...own, reviewer: reviewer.value.trim() };
    });
  }

  // What a spreadsheet would run gets an apostrophe before it, as segdata/spreadsheets.py has it, and every cell its quotes.
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return `"${text.replace(/(^|[;\t\r\n])(?=['" ]*[=+\-@\t\r])/g, "$1'").replaceAll('"', '""')}"`;
  };

  function save(name, kind, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: kind }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    unsaved = false;
    tell();
  }

  const act = {
    undo, next,
    json: () => save("verdicts.json", "application/json", JSON.stringify({ format: "segdata verdicts 1", verdicts: rows() }, null, 1)),
    csv: () => save("verdicts.csv", "text/csv", "\ufeff" + [columns, ...rows().map((row) => columns.map((column) => row[column]))].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n"),
  };

  note.addEventListener("change", annotate);
  for (const button of buttons) {
    button.addEventListener("click", () => judge(button.dataset.verdict));
    button.addEventListener("mousedown", (event) => event.preventDefault());  // the note keeps the focus, and goes with the verdict
  }
  for (const button of all("[data-act]", bar)) button.addEventListener("click", () => act[button.dataset.act]());
  for (const card of cards) card.element.addEventListener("click", () => { annotate(); select(card, false); });
  window.addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || event.repeat) return;
    const digit = /^(?:Digit|Numpad)([1-4])$/.exec(event.code);
    if (digit) judge(buttons[digit[1] - 1].dataset.verdict);
    else if (event.code === "KeyZ") undo();
    else if (event.code === "KeyN") next();
    else return;
    event.preventDefault();
  });
  window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
  bar.hidden = false;
  document.body.classList.add("reviewing");
  tell();
})();
