// The review bar: progress, four verdicts, a note, undo, the next case; and the same by keys.
// FiftyOne loads this file as it is. What is said is done by the plugin's Python operators; here it is only shown, and
// every text is set as text: names, notes and reasons come from outside.
(() => {
  "use strict";
  const VERDICTS = [
    ["hard", "Hard", "#f09600", "the label is right and the model wrong: train on it"],
    ["label_error", "Label error", "#e58ac8", "the label is wrong: not trained on before it is mended"],
    ["drop", "Drop", "#9aa0a6", "of no use: neither trained on nor shown again"],
    ["fine", "Fine", "#46aff5", "nothing is wrong with it"],
  ];
  const style = document.createElement("style");
  style.textContent = `
    #segdata-review { position: fixed; z-index: 100000; left: 0; right: 0; bottom: 10px; width: fit-content; margin: 0 auto;
      display: flex; flex-wrap: wrap; gap: 8px; align-items: center; justify-content: center; max-width: min(960px, calc(100vw - 32px));
      padding: 9px 14px; border-radius: 10px; font: 14px/1.3 system-ui, sans-serif; color: #f3f1ec; background: #202225f2;
      border: 1px solid #4a4d52; box-shadow: 0 6px 28px #000a; }
    #segdata-review[hidden] { display: none; }
    #segdata-review .told { flex-basis: 100%; display: flex; gap: 14px; align-items: baseline; min-width: 0; }
    #segdata-review .told span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: #b9b5ab; }
    #segdata-review .told b { white-space: nowrap; } #segdata-review .told .words { color: #f3f1ec; flex-shrink: 0; }
    #segdata-review button { font: inherit; color: inherit; background: #2e3136; border: 1px solid #565a61; cursor: pointer;
      border-left: 5px solid var(--own, #565a61); border-radius: 6px; padding: 6px 11px; }
    #segdata-review button:hover { background: #3a3e45; } #segdata-review button:focus-visible { outline: 2px solid #fff; }
    #segdata-review button[aria-pressed="true"] { background: var(--own); color: #111; font-weight: 600; }
    #segdata-review kbd { font: 12px ui-monospace, monospace; opacity: 0.75; margin-left: 6px; }
    #segdata-review input { font: inherit; width: 12em; color: inherit; background: #15171a; border: 1px solid #565a61;
      border-radius: 6px; padding: 6px 9px; }
    #segdata-review meter { width: 110px; }
    body:has(#segdata-review:not([hidden])) [data-cy="modal"] { box-sizing: border-box; padding-bottom: 96px; }`;
  document.head.append(style);

  // What can't be seen is spelt out: a mark that turns the reading direction makes one name look like another.
  const visible = (text) =>
    text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
  const made = (name, text, parent) => {
    const element = document.createElement(name);
    element.textContent = text;
    if (parent) parent.append(element);
    return element;
  };
  const bar = made("div", "");
  bar.id = "segdata-review";
  bar.hidden = true;
  bar.setAttribute("role", "toolbar");
  bar.setAttribute("aria-label", "Review");
  const told = made("div", "", bar);
  told.className = "told";
  const count = made("b", "", told), meter = made("meter", "", told), name = made("span", "", told);
  const words = made("span", "", told);
  words.className = "words";
  const button = (label, key, title, act) => {
    const one = made("button", label, bar);
    made("kbd", key, one);
    one.title = title;
    one.addEventListener("click", () => act());
    // The note keeps the focus, and goes with the verdict: else it would be sent first, and the verdict find us busy.
    one.addEventListener("mousedown", (event) => event.preventDefault());
    return one;
  };
  const buttons = VERDICTS.map(([verdict, label, colour, title], index) => {
    const one = button(label, `Alt+${index + 1}`, title, () => judge(index));
    one.style.setProperty("--own", colour);
    one.dataset.verdict = verdict;
    return one;
  });
  const note = made("input", "", bar);
  note.placeholder = "Note";
  note.setAttribute("aria-label", "Note");
  button("Undo", "Alt+Z", "take the last one back", () => act("undo")).dataset.act = "undo";
  button("Next", "Alt+N", "the next case without a verdict", () => next()).dataset.act = "next";
  // The open case keeps the focus to itself and takes clicks beside it for its own: what happens in the bar stays there.
  for (const kind of ["focusin", "focusout", "mousedown", "mouseup", "pointerdown", "click"]) {
    bar.addEventListener(kind, (event) => event.stopPropagation());
  }
  document.body.append(bar);

  let busy = false, noting = false, waiting = null, awaited = null, shown = null, written = false;
  const operate = (operator, params, callback) =>
    window.__foo__.executeOperator(`@segdata/review/${operator}`, params || {}, { callback });

  // One act at a time: a key struck twice must not judge a case that nobody has looked at. Only a note is waited for.
  function act(operator, params) {
    if (busy) {
      if (noting) waiting = [operator, params];
      return;
    }
    busy = true;
    noting = operator === "note";
    bar.setAttribute("aria-busy", "true");
    const release = setTimeout(() => { busy = noting = false; }, 15000);
    const done = (state) => {
      clearTimeout(release);
      busy = noting = written = false;
      bar.removeAttribute("aria-busy");
      show(state);
      const then = waiting;
      waiting = null;
      if (then) act(...then);
    };
    operate(operator, params, (answer) => {
      const state = answer && answer.result;
      awaited = operator === "note" ? null : state && state.id;
      if (awaited) settle(state, done);
      else done(state);
    });
  }

  // An answer names the case that the App is about to open. Until it has, a key would judge the case before.
  function settle(state, done) {
    show(state);
    operate("state", { brief: true }, (answer) => {
      const now = answer && answer.result;
      if (awaited && busy && now && now.id !== awaited) setTimeout(() => settle(state, done), 200);
      else {
        done(state);
        if (!awaited) refresh();
      }
    });
  }

  function judge(index) {
    act("judge", { verdict: VERDICTS[index][0], ...(written && shown && shown.case ? { note: note.value } : {}) });
  }

  // By the id of its case: whoever leaves the note by a click has perhaps opened another one already.
  function annotate() {
    if (written && shown && shown.id) act("note", { id: shown.id, note: note.value });
  }

  function next() {
    annotate();
    act("next");
  }

  function show(state) {
    if (!state) return;
    bar.hidden = state.total === undefined;
    if (bar.hidden) return;
    shown = state;
    count.textContent = `${state.done} of ${state.total} reviewed`;
    meter.max = state.total || 1;
    meter.value = state.done;
    name.textContent = state.case ? visible(state.case) : (state.selected ? `${state.selected} selected` : "open a case, or Alt+N");
    name.title = visible(state.why || "");
    words.textContent = visible((state.words || []).join(" · "));
    for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset.verdict === state.verdict));
    note.hidden = !state.case;
    if (!written) note.value = state.note || "";
  }

  let asked = 0;
  function refresh() {
    clearTimeout(asked);
    asked = setTimeout(() => { if (!busy) operate("state", {}, (answer) => { if (!busy) show(answer && answer.result); }); }, 400);
  }

  note.addEventListener("input", () => { written = true; });
  note.addEventListener("change", annotate);

  window.addEventListener("keydown", (event) => {
    if (event.target === note && !event.altKey) { event.stopPropagation(); return; }
    if (!event.altKey || event.ctrlKey || event.metaKey || event.repeat || bar.hidden) return;
    const digit = /^(?:Digit|Numpad)([1-4])$/.exec(event.code);
    if (digit) judge(digit[1] - 1);
    else if (event.code === "KeyZ") act("undo");
    else if (event.code === "KeyN") next();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  // What is open changes by a click or a key, and by nothing else. Whoever goes elsewhere is not waited for.
  window.addEventListener("keyup", (event) => {
    if (/^(Arrow|Escape)/.test(event.code)) awaited = null;
    if (event.target !== note) refresh();
  }, true);
  window.addEventListener("click", (event) => {
    if (bar.contains(event.target)) return;
    awaited = null;
    refresh();
  }, true);
  refresh();
  setTimeout(refresh, 3000);
})();
