// What every page of the desk does by itself: times in the zone that the viewer chose, copy buttons,
// keys. It asks the server for nothing. The check of an entry: check.js. Live parts: live.js.
"use strict";
(() => {
    const KEPT = "obs-zone";  // in this browser alone; nothing is sent
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
    let zone = remembered() === "UTC" ? "UTC" : own;
    let full, short, day, clock;
    const ago = new Intl.RelativeTimeFormat("en-GB", { numeric: "auto" });
    const units = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];

    // A browser that forbids storage throws here; the choice then lasts as long as the page.
    function remembered(value) {
        try {
            if (value) localStorage.setItem(KEPT, value);
            return localStorage.getItem(KEPT);
        } catch {
            return null;
        }
    }

    function setFormats() {
        const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone };
        const date = { year: "numeric", month: "2-digit", day: "2-digit", timeZone: zone };
        full = new Intl.DateTimeFormat("sv-SE", { ...date, ...time });
        short = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", ...time });
        day = new Intl.DateTimeFormat("sv-SE", date);
        clock = new Intl.DateTimeFormat("sv-SE", time);
    }

    function relative(date) {
        const seconds = (date.getTime() - Date.now()) / 1000;
        for (const [unit, length] of units) {
            if (Math.abs(seconds) >= length) return ago.format(Math.trunc(seconds / length), unit);
        }
        return ago.format(Math.trunc(seconds), "second");
    }

    const yearOf = (date) => day.format(date).slice(0, 4);

    function showTimes(within) {
        const thisYear = yearOf(new Date());
        for (const element of within.querySelectorAll("time[data-when]")) {
            const date = new Date(element.dateTime);
            if (Number.isNaN(date.getTime())) continue;
            const exact = `${element.dateTime} (UTC)`;
            if (element.dataset.when === "relative") {
                element.textContent = relative(date);
                element.title = `${full.format(date)} ${zone}\n${exact}`;
            } else {
                const format = { day, clock, short: yearOf(date) === thisYear ? short : full, full }[element.dataset.when];
                element.textContent = format.format(date).replace(",", "");
                element.title = exact;
            }
        }
        for (const element of within.querySelectorAll("[data-zone]")) element.textContent = zone;
        for (const element of within.querySelectorAll("[data-zone-short]")) element.textContent = zone === "UTC" ? "UTC" : "Local";
    }

    window.obsShowTimes = (within) => showTimes(within);

    function switchZone() {
        const typed = readMoments();
        zone = zone === "UTC" ? own : "UTC";
        remembered(zone === "UTC" ? "UTC" : "local");
        setFormats();
        showTimes(document);
        typed.forEach(([field, moment]) => { field.value = shownMoment(moment); });
        announce(`Times are in ${zone}`);
    }

    // Times are typed in the zone that is shown, and sent as RFC 3339 with the offset of that moment.
    // What cannot be read is sent as it stands: the server then says so, and shows nothing.
    const TYPED = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?$/;
    const SENT = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;
    const two = (number) => String(number).padStart(2, "0");

    function readMoment(text) {
        const found = TYPED.exec(text.trim());
        if (!found) return null;
        const [year, month, date, hour, minute, second] = found.slice(1).map((part) => Number(part || 0));
        const moment = zone === "UTC"
            ? new Date(Date.UTC(year, month - 1, date, hour, minute, second))
            : new Date(year, month - 1, date, hour, minute, second);
        // A date that the calendar lacks would roll over into another one.
        const isReal = zone === "UTC" ? moment.getUTCDate() === date && moment.getUTCHours() === hour
            : moment.getDate() === date && moment.getMonth() === month - 1;
        return isReal ? moment : null;
    }

    function sentMoment(moment) {
        const offset = zone === "UTC" ? 0 : -moment.getTimezoneOffset();
        const there = new Date(moment.getTime() + offset * 60000).toISOString().slice(0, 19);
        const size = Math.abs(offset);
        return there + (offset === 0 ? "Z" : `${offset < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`);
    }

    const shownMoment = (moment) => full.format(moment);
    const momentFields = () => [...document.querySelectorAll("input[data-moment]")];
    const readMoments = () => momentFields().map((field) => [field, readMoment(field.value)]).filter((pair) => pair[1]);

    function showMoments() {
        for (const field of momentFields()) if (SENT.test(field.value) && !Number.isNaN(Date.parse(field.value))) field.value = shownMoment(new Date(field.value));
    }

    document.addEventListener("submit", () => { for (const [field, moment] of readMoments()) field.value = sentMoment(moment); });
    window.addEventListener("pageshow", showMoments);  // also when the way back leads here

    async function copy(text, button) {
        if (navigator.clipboard && window.isSecureContext) {
            await navigator.clipboard.writeText(text);
        } else {  // plain HTTP offers no clipboard: copy out of a field, as browsers did before
            const field = document.createElement("textarea");
            field.value = text;
            field.style.position = "fixed";
            field.style.opacity = "0";
            document.body.append(field);
            field.select();
            const done = document.execCommand("copy");
            field.remove();
            if (!done) throw new Error("the browser refused to copy");
        }
        say(button, "check", "Copied");
    }

    function say(button, icon, word) {
        const symbol = button.querySelector(".material-symbols-outlined");
        const before = symbol.textContent;
        symbol.textContent = icon;
        button.classList.add("obs-done");
        announce(word);
        setTimeout(() => { symbol.textContent = before; button.classList.remove("obs-done"); }, 1500);
    }

    function announce(word) {
        let live = document.getElementById("obs-live");
        if (!live) {
            live = document.createElement("div");
            live.id = "obs-live";
            live.setAttribute("role", "status");
            live.className = "sr-only";
            document.body.append(live);
        }
        live.textContent = word;
    }

    window.obsCopy = (text, button) => copy(text, button).catch(() => say(button, "error", "Not copied: mark the text and copy it by hand"));

    document.addEventListener("click", (event) => {
        const button = event.target.closest("[data-copy]");
        if (button) window.obsCopy(button.dataset.copy, button);
    });

    document.addEventListener("change", (event) => {
        const goesTo = event.target.dataset && event.target.dataset.goesTo;
        if (goesTo) window.location.href = goesTo + encodeURIComponent(event.target.value);
    });

    document.addEventListener("click", (event) => {
        if (event.target.closest("[data-zone-switch]")) switchZone();
        const opener = event.target.closest("[data-shows]");
        if (opener) document.getElementById(opener.dataset.shows).showModal();
    });

    // Rows: j and k move down and up the table in which the focus is, or the first one.
    function step(by) {
        const here = document.activeElement.closest("tr[data-row]");
        const table = here ? here.closest("[data-rows]") : document.querySelector("[data-rows]");
        if (!table) return false;
        const rows = [...table.querySelectorAll("tr[data-row]")];
        const next = rows[here ? rows.indexOf(here) + by : 0];
        if (next) next.querySelector("[data-open]").focus();
        return true;
    }

    function expand() {
        const row = document.activeElement.closest("tr[data-row]");
        const more = row && row.querySelector("details");
        if (more) more.open = !more.open;
    }

    // A page says with data-key what a key does there; j and k walk rows where no link claims them.
    // Never while somebody types.
    document.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
        if (!/^[jknpefu/?]$/.test(event.key)) return;
        const wanted = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
        if (wanted) follow(wanted);
        else if (event.key === "j") step(1);
        else if (event.key === "k") step(-1);
        else if (event.key === "e") expand();
        else if (event.key === "u") switchZone();
        else if (event.key === "?") document.getElementById("obs-keys")?.showModal();
        else return;
        event.preventDefault();
    });

    function follow(wanted) {
        if (wanted.href) {
            window.location.href = wanted.href;
        } else if (wanted.matches("summary")) {
            wanted.parentElement.open = true;
            (wanted.parentElement.querySelector("[data-first]") || wanted).focus();
        } else wanted.focus();
    }

    // The theme draws some of its buttons as plain text; make them reachable and named.
    function nameThemeButtons() {
        for (const icon of document.querySelectorAll("span.material-symbols-outlined[x-on\\:click], a[x-on\\:click]:not([href]), div.cursor-pointer[x-on\\:click]")) {
            icon.tabIndex = 0;
            icon.setAttribute("role", "button");
            const name = icon.textContent.trim();
            if (name === "dock_to_right") icon.setAttribute("aria-label", "Show or hide the menu");
            if (name === "close") icon.setAttribute("aria-label", "Close the menu");
            if (icon.hasAttribute("x-ref")) icon.setAttribute("aria-label", "More");
            if (icon.closest(".relative[x-data*=openTheme]") && !icon.closest("nav")) icon.setAttribute("aria-label", "Light or dark");
            icon.addEventListener("keydown", (event) => {
                if (event.key === "Enter" || event.key === " ") { event.preventDefault(); icon.click(); }
            });
        }
        const search = document.getElementById("searchbar-submit");
        if (search) search.setAttribute("aria-label", "Search");
        for (const icon of document.querySelectorAll("span.material-symbols-outlined:not([aria-label])")) icon.setAttribute("aria-hidden", "true");
    }

    setFormats();
    document.addEventListener("DOMContentLoaded", () => { showTimes(document); nameThemeButtons(); });
    window.addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });
})();
