// The waterfall of a trace: all rows come as one file, and only those in sight are drawn, so that
// ten thousand spans scroll as ten do. Folding, zoom, keys, a search, and one span beside the rows.
// Without this script the page shows the same rows as a plain list.
"use strict";
(() => {
    const card = document.getElementById("waterfall");
    if (!card) return;
    const part = (name) => card.querySelector(`[data-fall-${name}]`);
    const box = part("box"), plain = part("plain"), ruler = part("ruler"), detail = part("detail"), said = part("said");
    const find = document.getElementById("fall-find"), only = document.getElementById("fall-only");
    const [ID, DEPTH, BELOW, OFFSET, TOOK, NAME, SERVICE, OPERATION, SUBJECT, FLAGS, WAITED, BEFORE, AFTER] = Array(13).keys();
    const ERROR = 1, ORPHAN = 2, RING = 4, ENTRY = 8, PATH = 16;
    const EXTRA = 8;  // rows drawn beyond what is seen, so that scrolling shows no hole
    const narrow = window.matchMedia("(max-width: 900px)");
    const sheet = document.createElement("div");
    let rows = [], words = [], whole = 1, parents = [], byId = new Map(), paths = new Map(), gaps = new Map();
    let shown = [], placeOf = new Map(), folded = new Set(), found = new Set();
    let from = 0, to = 1, active = 0, chosen = -1, asked = 0;

    const height = () => (narrow.matches ? 48 : 28);

    // As tracing/durations.py writes them.
    function duration(ns) {
        if (ns < 0) return `-${duration(-ns)}`;
        if (ns >= 7.2e12) return `${Math.floor(Math.round(ns / 6e10) / 60).toLocaleString("en")} h ${Math.round(ns / 6e10) % 60} min`;
        if (ns >= 1.2e11) return `${Math.floor(Math.round(ns / 1e9) / 60)} min ${Math.round(ns / 1e9) % 60} s`;
        for (const [unit, length] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
            const number = ns / length;
            if (number >= 0.9995) return `${number.toFixed(number < 9.995 ? 2 : number < 99.95 ? 1 : 0)} ${unit}`;
        }
        return `${Math.round(ns)} ns`;
    }

    function element(name, className, text) {
        const made = document.createElement(name);
        made.className = className;
        if (text !== undefined) made.textContent = text;
        return made;
    }

    // As the filter `visible` of templates does: what hides or turns text is spelled out.
    const visible = (text) => text.replace(/(?![\n\t])[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/gu, (one) => `⟨U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

    // --- Which rows stand in the sheet -----------------------------------------------------------

    function arrange() {
        const wanted = only.value === "all" ? null : new Set();
        if (wanted) {
            const flag = only.value === "path" ? PATH : ERROR;
            rows.forEach((row, at) => {
                for (let up = at; (row[FLAGS] & flag) && up >= 0 && !wanted.has(up); up = parents[up]) wanted.add(up);
            });
        }
        shown = [];
        for (let at = 0; at < rows.length; at += folded.has(at) ? rows[at][BELOW] + 1 : 1) {
            if (!wanted || wanted.has(at)) shown.push(at);
        }
        placeOf = new Map(shown.map((at, place) => [at, place]));
        while (active >= 0 && !placeOf.has(active)) active = parents[active];
        if (active < 0) active = shown[0] ?? 0;
        sheet.style.height = `${Math.max(shown.length, 1) * height()}px`;
        box.setAttribute("aria-rowcount", String(shown.length));
        draw();
    }

    function draw() {
        const first = Math.max(Math.floor(box.scrollTop / height()) - EXTRA, 0);
        const last = Math.min(Math.ceil((box.scrollTop + box.clientHeight) / height()) + EXTRA, shown.length);
        const drawn = [];
        for (let place = first; place < last; place += 1) drawn.push(line(shown[place], place));
        if (!shown.length) drawn.push(element("p", "obs-fall-none", "No span of this kind."));
        sheet.replaceChildren(...drawn);
        if (placeOf.has(active)) box.setAttribute("aria-activedescendant", `fall-${active}`);
        else box.removeAttribute("aria-activedescendant");
    }

    function line(at, place) {
        const row = rows[at];
        const made = element("div", `obs-fall-row${found.has(at) ? " obs-fall-found" : ""}`);
        made.id = `fall-${at}`;
        made.dataset.row = String(at);
        made.style.top = `${place * height()}px`;
        made.setAttribute("role", "row");
        made.setAttribute("aria-level", String(row[DEPTH] + 1));
        made.setAttribute("aria-rowindex", String(place + 1));
        made.setAttribute("aria-selected", String(at === active));
        if (row[BELOW]) made.setAttribute("aria-expanded", String(!folded.has(at)));
        made.append(named(row, at), lane(row, at));
        return made;
    }

    function named(row, at) {
        const name = element("span", "obs-fall-name");
        name.setAttribute("role", "gridcell");
        name.style.setProperty("--in", String(Math.min(row[DEPTH], 12)));
        const fold = element("span", "obs-fall-fold", row[BELOW] ? (folded.has(at) ? "▸" : "▾") : "");
        if (row[BELOW]) fold.dataset.fold = "";
        fold.setAttribute("aria-hidden", "true");
        const text = element("span", "obs-fall-text obs-text", visible(words[row[NAME]]));
        text.title = [words[row[NAME]], words[row[SERVICE]], words[row[OPERATION]], words[row[SUBJECT]]].filter(Boolean).map(visible).join("\n");
        name.append(fold, text);
        const mark = (word, more = "", why = "") => {
            const made = element("span", `obs-fall-word ${more}`, word);
            if (why) made.title = why;
            name.append(made);
        };
        if (folded.has(at)) mark(`+${row[BELOW].toLocaleString("en")}`);
        if (row[FLAGS] & ERROR) mark("error", "obs-fall-bad");
        if (row[FLAGS] & PATH) mark("critical", "obs-fall-path-word", row[WAITED] ? `the trace waited ${duration(row[WAITED])} for it` : "on the critical path");
        if (row[FLAGS] & ORPHAN) mark("orphan", "", "its parent is not here");
        if (row[FLAGS] & RING) mark("ring", "", "its parents form a ring, cut here");
        if (row[BEFORE] || row[AFTER]) mark("outside", "", [row[BEFORE] && `begins ${duration(row[BEFORE])} before its parent`, row[AFTER] && `ends ${duration(row[AFTER])} after its parent`].filter(Boolean).join("; "));
        if (row[FLAGS] & ENTRY) mark("entry");
        return name;
    }

    function lane(row, at) {
        const made = element("span", "obs-fall-lane");
        made.setAttribute("role", "gridcell");
        const put = (className, offset, length) => {
            if (offset + length < from || offset > to) return;
            const bar = element("span", className);
            const left = Math.max((offset - from) / (to - from), -0.01);
            const right = Math.min((offset + length - from) / (to - from), 1.01);
            bar.style.left = `${100 * left}%`;
            bar.style.width = `${100 * Math.max(right - left, 0)}%`;
            made.append(bar);
        };
        put(`obs-fall-bar${row[FLAGS] & ERROR ? " obs-fall-bar-bad" : ""}`, row[OFFSET], row[TOOK]);
        for (const [offset, length] of gaps.get(at) || []) put("obs-fall-gap", offset, length);
        for (const [offset, length] of paths.get(at) || []) put("obs-fall-path", offset, length);
        const took = element("span", "obs-fall-took", duration(row[TOOK]));
        const ends = (row[OFFSET] + row[TOOK] - from) / (to - from), begins = (row[OFFSET] - from) / (to - from);
        // Behind the bar where there is room, else before it, else in it.
        if (ends < 0.86) took.style.left = `${100 * Math.max(ends, 0)}%`;
        else if (begins > 0.14) took.style.right = `${100 * (1 - Math.min(begins, 1))}%`;
        else took.style.left = `${100 * Math.max(begins, 0)}%`;
        made.append(took);
        return made;
    }

    // --- Zoom ------------------------------------------------------------------------------------

    function look(begin, end) {
        const least = Math.max(whole / 1e6, 1);
        const width = Math.min(Math.max(end - begin, least), whole);
        from = Math.min(Math.max(begin, 0), whole - width);
        to = from + width;
        const labels = [0, 1, 2, 3, 4].map((quarter) => {
            const at = (to - from) * quarter / 4;
            return from === 0 ? duration(at) : quarter === 0 ? duration(from) : `+${duration(at)}`;
        });
        ruler.replaceChildren(...labels.map((label) => element("span", "", label)));
        draw();
    }

    function zoom(by) {
        const row = rows[active];
        const middle = row && row[OFFSET] <= to && row[OFFSET] + row[TOOK] >= from
            ? (Math.max(row[OFFSET], from) + Math.min(row[OFFSET] + row[TOOK], to)) / 2 : (from + to) / 2;
        const width = (to - from) * by;
        look(middle - width / 2, middle + width / 2);
    }

    ruler.addEventListener("pointerdown", (event) => {
        if (!rows.length) return;
        const edges = ruler.getBoundingClientRect();
        const share = (x) => Math.min(Math.max((x - edges.left) / edges.width, 0), 1);
        const start = share(event.clientX);
        const marked = element("span", "obs-fall-drag");
        ruler.append(marked);
        ruler.setPointerCapture(event.pointerId);
        const move = (moved) => {
            const here = share(moved.clientX);
            marked.style.left = `${100 * Math.min(start, here)}%`;
            marked.style.width = `${100 * Math.abs(here - start)}%`;
        };
        const done = (ended) => {
            ruler.removeEventListener("pointermove", move);
            marked.remove();
            const here = share(ended.clientX), width = to - from;
            if (ended.type === "pointerup" && Math.abs(here - start) > 0.005) look(from + width * Math.min(start, here), from + width * Math.max(start, here));
        };
        ruler.addEventListener("pointermove", move);
        ruler.addEventListener("pointerup", done, { once: true });
        ruler.addEventListener("pointercancel", done, { once: true });
    });

    // --- Moving, folding, showing one ------------------------------------------------------------

    function go(at) {
        active = at;
        const top = placeOf.get(at) * height();
        if (top < box.scrollTop) box.scrollTop = top;
        else if (top + height() > box.scrollTop + box.clientHeight) box.scrollTop = top + height() - box.clientHeight;
        draw();
    }

    function fold(at, isFolded) {
        if (!rows[at][BELOW]) return;
        if (isFolded) folded.add(at);
        else folded.delete(at);
        arrange();
    }

    function reveal(at) {
        for (let up = parents[at]; up >= 0; up = parents[up]) folded.delete(up);
        if (only.value !== "all") only.value = "all";
        arrange();
        go(at);
    }

    async function show(at) {
        chosen = at;
        const id = rows[at][ID];
        history.replaceState(null, "", `#span=${id}`);
        const turn = ++asked;
        let content;
        try {
            const answer = await fetch(`${card.dataset.spanAt}${id}/?part=1`, { headers: { Accept: "text/html" } });
            if (answer.redirected) throw new Error("you are logged out");
            if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
            content = [...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes];
        } catch (error) {
            content = [element("p", "obs-error", `The span could not be read: ${error.message}.`)];
        }
        if (turn !== asked) return;  // another one was chosen meanwhile
        const close = element("button", "obs-button", "Close");
        close.type = "button";
        close.addEventListener("click", hide);
        detail.replaceChildren(...content);
        (detail.querySelector(".obs-card-head") || detail).append(close);
        detail.hidden = false;
        detail.scrollTop = 0;
        card.querySelector(".obs-fall-parts").classList.add("obs-fall-open");
        window.obsShowTimes(detail);
        go(chosen);
        if (narrow.matches) detail.scrollIntoView({ block: "nearest" });
    }

    function hide() {
        detail.hidden = true;
        card.querySelector(".obs-fall-parts").classList.remove("obs-fall-open");
        history.replaceState(null, "", window.location.pathname + window.location.search);
        draw();
        box.focus();
    }

    function fromAddress() {
        const wanted = /^#span=([0-9a-fA-F]+)$/.exec(window.location.hash);
        const at = wanted ? byId.get(wanted[1].toLowerCase()) : undefined;
        if (at === undefined) return;
        reveal(at);
        show(at);
    }

    const KEYS = {
        ArrowDown: () => step(1), ArrowUp: () => step(-1), Home: () => shown.length && go(shown[0]), End: () => shown.length && go(shown[shown.length - 1]),
        PageDown: () => step(Math.floor(box.clientHeight / height())), PageUp: () => step(-Math.floor(box.clientHeight / height())),
        ArrowLeft: () => (rows[active][BELOW] && !folded.has(active) ? fold(active, true) : parents[active] >= 0 && go(parents[active])),
        ArrowRight: () => (folded.has(active) ? fold(active, false) : rows[active][BELOW] && step(1)),
        Enter: () => show(active), "+": () => zoom(0.5), "-": () => zoom(2), 0: () => look(0, whole),
    };

    function step(by) {
        if (!shown.length) return;
        go(shown[Math.min(Math.max((placeOf.get(active) ?? 0) + by, 0), shown.length - 1)]);
    }

    box.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
        event.preventDefault();
        KEYS[event.key]();
    });
    box.addEventListener("click", (event) => {
        const row = event.target.closest("[data-row]");
        if (!row) return;
        const at = Number(row.dataset.row);
        active = at;
        if (event.target.closest("[data-fold]")) fold(at, !folded.has(at));
        else show(at);
    });
    let isWaiting = false;
    box.addEventListener("scroll", () => {
        if (isWaiting) return;
        isWaiting = true;
        requestAnimationFrame(() => { isWaiting = false; draw(); });
    });
    document.addEventListener("click", (event) => {
        const link = event.target.closest("[data-fall-to]");
        const at = link ? byId.get(link.dataset.fallTo) : undefined;
        if (at === undefined || event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        reveal(at);
        show(at);
    });
    card.addEventListener("click", (event) => {
        const button = event.target.closest("[data-fall]");
        if (!button || !rows.length) return;
        if (button.dataset.fall === "in") zoom(0.5);
        else if (button.dataset.fall === "out") zoom(2);
        else if (button.dataset.fall === "whole") look(0, whole);
        else {
            const isFolding = folded.size === 0;
            folded = new Set(isFolding ? rows.keys() : []);
            for (const at of folded) if (!rows[at][BELOW]) folded.delete(at);
            button.setAttribute("aria-pressed", String(isFolding));
            button.textContent = isFolding ? "Unfold all" : "Fold all";
            arrange();
        }
    });
    only.addEventListener("change", arrange);
    find.addEventListener("input", () => {
        const text = find.value.trim().toLowerCase();
        const fits = words.map((word) => text !== "" && word.toLowerCase().includes(text));
        found = new Set(rows.keys());
        for (const at of found) {
            const row = rows[at];
            if (!fits[row[NAME]] && !fits[row[SUBJECT]] && !(text && row[ID] === text)) found.delete(at);
        }
        said.textContent = text ? `${found.size} spans match` : "";
        draw();
    });
    find.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || !found.size) return;
        event.preventDefault();
        const matches = [...found];
        const next = event.shiftKey ? matches.reverse().find((at) => at < active) : matches.find((at) => at > active);
        const at = next ?? matches[0];
        reveal(at);
        said.textContent = `Match ${[...found].indexOf(at) + 1} of ${found.size}: ${words[rows[at][NAME]]}`;
    });
    window.addEventListener("hashchange", fromAddress);
    narrow.addEventListener("change", arrange);
    window.addEventListener("resize", draw);

    // --- Beginning -------------------------------------------------------------------------------

    function grouped(list) {
        const by = new Map();
        for (const [at, offset, length] of list) {
            if (!by.has(at)) by.set(at, []);
            by.get(at).push([offset, length]);
        }
        return by;
    }

    async function begin() {
        const answer = await fetch(card.dataset.spans, { headers: { Accept: "application/json" } });
        if (answer.redirected || !answer.ok) throw new Error(answer.redirected ? "you are logged out" : `the server answered ${answer.status}`);
        const told = await answer.json();
        ({ rows, words } = told);
        whole = Math.max(told.duration_ns, 1);
        const over = [];
        parents = rows.map((row, at) => {
            over[row[DEPTH]] = at;
            return row[DEPTH] ? over[row[DEPTH] - 1] : -1;
        });
        for (let at = rows.length - 1; at >= 0; at -= 1) byId.set(rows[at][ID], at);
        paths = grouped(told.path);
        gaps = grouped(told.gaps);
        sheet.className = "obs-fall-sheet";
        sheet.setAttribute("role", "rowgroup");
        box.append(sheet);
        box.tabIndex = 0;
        box.setAttribute("role", "treegrid");
        box.setAttribute("aria-label", "Spans, each below the span that called it");
        box.setAttribute("aria-readonly", "true");
        plain.hidden = true;
        box.hidden = false;
        arrange();
        look(0, whole);
        fromAddress();
    }

    begin().catch((error) => { said.textContent = `All rows could not be read, the first stand below: ${error.message}.`; });
})();
