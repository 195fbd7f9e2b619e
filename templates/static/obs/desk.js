// What every page of the desk does by itself: times in the viewer's zone, copy buttons, keys.
// It asks the server for nothing. The check of an entry: check.js.
"use strict";
(() => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
    const full = new Intl.DateTimeFormat("sv-SE", {
        year: "numeric", month: "2-digit", day: "2-digit",
        hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
    });
    const short = new Intl.DateTimeFormat("en-GB", {
        day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
    });
    const day = new Intl.DateTimeFormat("sv-SE", { year: "numeric", month: "2-digit", day: "2-digit" });
    const ago = new Intl.RelativeTimeFormat("en-GB", { numeric: "auto" });
    const units = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];

    function relative(date) {
        const seconds = (date.getTime() - Date.now()) / 1000;
        for (const [unit, length] of units) {
            if (Math.abs(seconds) >= length) return ago.format(Math.trunc(seconds / length), unit);
        }
        return ago.format(Math.trunc(seconds), "second");
    }

    const isThisYear = (date) => date.getFullYear() === new Date().getFullYear();

    function showTimes() {
        for (const element of document.querySelectorAll("time[data-when]")) {
            const date = new Date(element.dateTime);
            if (Number.isNaN(date.getTime())) continue;
            const exact = `${element.dateTime} (UTC)`;
            if (element.dataset.when === "relative") {
                element.textContent = relative(date);
                element.title = `${full.format(date)} ${zone}\n${exact}`;
            } else {
                element.textContent = { day, short: isThisYear(date) ? short : full, full }[element.dataset.when].format(date).replace(",", "");
                element.title = exact;
            }
        }
        for (const element of document.querySelectorAll("[data-zone]")) element.textContent = zone;
    }

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

    // j and k follow the links that say so; / goes to the jump box. Never while somebody types.
    document.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.target.closest("input, textarea, select, [contenteditable]")) return;
        if (!/^[jk/]$/.test(event.key)) return;
        const wanted = document.querySelector(`[data-key="${event.key}"]`);
        if (!wanted) return;
        event.preventDefault();
        if (wanted.href) window.location.href = wanted.href;
        else wanted.focus();
    });

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

    document.addEventListener("DOMContentLoaded", () => { showTimes(); nameThemeButtons(); });
    window.addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });
})();
