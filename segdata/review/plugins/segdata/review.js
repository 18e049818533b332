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
    #segdata-review .hint { margin-left: auto; color: #ffd27a; }
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
  const hint = made("span", "", told);
  hint.className = "hint";
  hint.setAttribute("role", "status");
  const button = (label, key, title, act) => {
    const one = made("button", label, bar);
    made("kbd", key, one);
    one.title = title;
    one.addEventListener("click", () => act());
    // The note keeps the focus and is stored together with the verdict.
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
  button("Undo", "Alt+Z", "take the last one back", () => move("undo")).dataset.act = "undo";
  button("Next", "Alt+N", "the next case without a verdict", () => move("next")).dataset.act = "next";
  // The open case keeps the focus to itself and takes clicks beside it for its own: what happens in the bar stays there.
  for (const kind of ["focusin", "focusout", "mousedown", "mouseup", "pointerdown", "click"]) {
    bar.addEventListener(kind, (event) => event.stopPropagation());
  }
  document.body.append(bar);

  const MODAL = '[data-cy="modal"]';
  const isModalOpen = () => document.querySelector(MODAL) !== null;
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  // What the App shows: the id of the open case, and the viewer that draws it. An operator in JavaScript reads the
  // App's state within milliseconds and without the server.
  let openId = null, viewer = null;
  class Look extends window.__foo__.Operator {
    get config() {
      return new window.__foo__.OperatorConfig({ name: "look", label: "Review: look", unlisted: true });
    }
    async execute({ state }) {
      const value = (atom) => state.snapshot.getLoadable(atom).getValue();
      openId = value(window.__fos__.nullableModalSampleId);
      viewer = value(window.__fos__.modalLooker);
    }
  }
  // The App keeps samples that it has loaded. This operator replaces them in the grid and in the sidebar of a case.
  class Update extends window.__foo__.Operator {
    get config() {
      return new window.__foo__.OperatorConfig({ name: "update", label: "Review: update", unlisted: true });
    }
    useHooks() {
      return { update: window.__fos__.useUpdateSamples() };
    }
    async execute({ hooks, params }) {
      hooks.update(params.samples.map((sample) => [sample._id, sample]));
    }
  }
  for (const operator of [Look, Update]) window.__foo__.registerOperator(operator, "@segdata/review");

  // Resolves with the answer, or with an error if none comes: a lost answer must not block all later keys.
  const operate = (operator, params) => new Promise((resolve) => {
    const timer = setTimeout(() => resolve({ error: "no answer from the server" }), 60000);
    const callback = (answer) => { clearTimeout(timer); resolve(answer || { error: "no answer" }); };
    window.__foo__.executeOperator(`@segdata/review/${operator}`, params || {}, { callback });
  });

  // The id of the case whose picture is drawn on the screen; null while there is none.
  function drawnId() {
    const canvas = viewer && viewer.ctx && viewer.ctx.canvas;
    if (!canvas || !canvas.isConnected || !canvas.closest(MODAL) || !canvas.hasAttribute("canvas-loaded")) return null;
    if (viewer.state.error || viewer.state.destroyed || !viewer.sample) return null;
    return viewer.sample.id || viewer.sample._id || null;
  }
  // The App sends this event after each drawing, and makes a new canvas for each case.
  document.addEventListener("canvas-loaded", async (event) => {
    for (let tries = 0; tries < 20 && event.target.isConnected && event.target.closest(MODAL); tries++) {
      if (viewer && viewer.ctx && viewer.ctx.canvas === event.target) return;
      await operate("look");
      if (tries) await pause(50);  // the App announces a new viewer after its first drawing
    }
  }, true);

  // Keys and buttons wait in a queue, and are carried out one after the other. `moves` counts those that open another
  // case: until the picture of that case is drawn, no verdict is accepted, because nobody can have looked at it.
  const queue = [];
  let working = false, moves = 0, elsewhere = false, changed = false;
  async function work() {
    if (working) return;
    working = true;
    bar.setAttribute("aria-busy", "true");
    while (queue.length) {
      const act = queue.shift();
      try {
        await (act.operator === "note" ? store(act.params) : go(act));
      } catch (error) {
        tell(`Not done: ${error}`);
      }
    }
    working = false;
    bar.removeAttribute("aria-busy");
  }
  function enqueue(act) {
    queue.push(act);
    work();
  }

  let shown = null;
  // The text in the note's field belongs to the case `owner`. A key that opens another case empties the field; what is
  // typed from then on belongs to the case that opens, whose id is not known yet: `owner` is null until it is.
  let owner = null, written = false, opened = { id: null, note: "" };
  const joined = (...texts) => texts.filter(Boolean).join(" ");
  function leave() {
    const left = { id: owner, text: note.value, written };
    owner = null;
    written = false;
    note.value = "";
    return left;
  }

  // An arrow key leaves the open case, but the App still shows it until it has the next one. A verdict that follows the
  // arrow key is not meant for it. At either end of the grid the arrow key does nothing: hence the limit of a second.
  let leavingId = null, leavingUntil = 0;
  function noteArrow(event) {
    if (!/^Arrow(Left|Right)$/.test(event.code) || !isModalOpen()) return;
    leavingId = drawnId();
    leavingUntil = performance.now() + 1000;
  }
  const isBeingLeft = (id) => id === leavingId && performance.now() < leavingUntil;

  function judge(index) {
    const id = isModalOpen() ? drawnId() : undefined;
    if (moves || id === null || isBeingLeft(id)) {
      tell("Wait for the picture");
      return;
    }
    move("judge", { verdict: VERDICTS[index][0], id });
  }

  function move(operator, params = {}) {
    moves += 1;
    elsewhere = false;
    enqueue({ operator, params, left: leave() });
  }

  // Carry out an act that opens another case, and store the text that was in the field before it.
  async function go({ operator, params, left }) {
    const text = left.id === null ? joined(opened.note, left.text) : left.text;
    const leftId = left.id || opened.id;
    const unsaved = left.written && leftId ? { id: leftId, note: text } : null;
    const withVerdict = operator === "judge" && unsaved && leftId === params.id;
    let state = null;
    if (operator !== "judge" || await isStillOpen(params.id)) {
      // An undo takes back the last act: a note that was stored before it would be that act.
      if (unsaved && operator !== "undo" && !withVerdict) await store(unsaved);
      changed = true;
      const answer = await operate(operator, withVerdict ? { ...params, note: unsaved.note } : params);
      state = answer.error ? null : answer.result;
      if (state && state.samples && state.samples.length) operate("update", { samples: state.samples });
      if (!state) tell(`Not stored: ${answer.error_message || answer.error}`);
    }
    if (unsaved && (operator === "undo" || !state)) await store(unsaved);
    if (state && unsaved && operator === "undo" && state.id === leftId) state = { ...state, note: text };
    if (!state) state = (await operate("state")).result;
    else await arrive(state);
    if (elsewhere) state = (await operate("state")).result || state;
    moves -= 1;
    opened = state && state.id ? { id: state.id, note: state.note || "" } : { id: leftId, note: text };
    if (!moves) adopt(state);
    else show(state);
  }

  // By now the reviewer may have left the case by an arrow key or a click: then the key was for another picture.
  async function isStillOpen(id) {
    await operate("look");
    if (id === undefined ? openId === null : openId === id && drawnId() === id) return true;
    tell("Wait for the picture");
    return false;
  }

  // The answer names the case that the App is about to open, or none: wait until its picture is drawn.
  async function arrive(state) {
    show(state);
    const until = performance.now() + 15000;
    const isThere = () => (state.id ? drawnId() === state.id : !isModalOpen());
    while (!isThere() && !elsewhere && performance.now() < until) await pause(20);
    if (!isThere()) elsewhere = true;
  }

  // The case is open: what was typed meanwhile is its note, behind the note that it has. If none is open, the text
  // goes to the case that was left.
  function adopt(state) {
    owner = opened.id;
    if (!written) note.value = (state && state.note) || "";
    else if (opened.note) note.value = joined(opened.note, note.value);
    if (written && (!state || !state.id || document.activeElement !== note)) save();
    show(state);
  }

  function save() {
    if (!written || owner === null) return;
    written = false;
    enqueue({ operator: "note", params: { id: owner, note: note.value } });
  }

  // A note is tried again until the server has it.
  async function store(params) {
    changed = true;
    const answer = await operate("note", params);
    if (!answer.error && answer.result) {
      operate("update", { samples: answer.result.samples || [] });
      if (!moves) show(answer.result);
      return;
    }
    tell("The note is not stored yet; trying again");
    setTimeout(() => enqueue({ operator: "note", params }), 2000);
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
    if (moves) return;
    if (owner !== (state.id || null)) {
      save();
      owner = state.id || null;
    }
    if (!written && !isWaiting(owner)) note.value = state.note || "";
  }

  const isWaiting = (id) => queue.some((act) => act.operator === "note" && act.params.id === id);

  let hinted = 0;
  function tell(text) {
    hint.textContent = text;
    clearTimeout(hinted);
    hinted = setTimeout(() => { hint.textContent = ""; }, 2000);
  }

  let asked = 0;
  function refresh() {
    clearTimeout(asked);
    asked = setTimeout(async () => {
      if (working) return;
      const answer = await operate("state");
      if (!working) show(answer.result);
    }, 400);
  }

  note.addEventListener("input", () => { written = true; });
  note.addEventListener("change", save);
  note.addEventListener("blur", save);
  window.addEventListener("beforeunload", (event) => {
    save();
    if (written || working) event.preventDefault();
  });

  window.addEventListener("keydown", (event) => {
    if (event.target === note && !event.altKey) { event.stopPropagation(); return; }
    noteArrow(event);
    if (!event.altKey || event.ctrlKey || event.metaKey || event.repeat || bar.hidden) return;
    const digit = /^(?:Digit|Numpad)([1-4])$/.exec(event.code);
    if (digit) judge(digit[1] - 1);
    else if (event.code === "KeyZ") move("undo");
    else if (event.code === "KeyN") move("next");
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  // What is open changes by a click or a key, and by nothing else. Whoever goes elsewhere is not waited for.
  window.addEventListener("keyup", (event) => {
    if (event.target === note) return;
    if (/^(Arrow|Escape)/.test(event.code)) elsewhere = true;
    refresh();
  }, true);
  window.addEventListener("click", (event) => {
    if (bar.contains(event.target)) return;
    elsewhere = true;
    refresh();
  }, true);

  // The grid and the App's counts are loaded anew when the reviewer closes a case, not after each verdict: until they
  // are loaded, the open case would be blank.
  let wasOpen = isModalOpen();
  new MutationObserver(() => {
    if (wasOpen === isModalOpen()) return;
    wasOpen = !wasOpen;
    if (!wasOpen && changed) {
      changed = false;
      window.__foo__.executeOperator("reload_samples");
    }
  }).observe(document.getElementById("modal") || document.body, { childList: true });
  refresh();
  setTimeout(refresh, 3000);
})();
