// Check one entry in the browser: the hash of the exact stored bytes, and its place in the chain.
// Bytes come base64 in the page, since text would lose what a browser normalises. The server only
// delivered them; the arithmetic is this machine's. Rule: hash = SHA-256(0x00 ‖ record).
"use strict";
(() => {
    const section = document.getElementById("check");
    const result = document.getElementById("check-result");

    function recordBytes() {
        return Uint8Array.from(atob(section.dataset.record), (character) => character.charCodeAt(0));
    }

    async function leafHash(record) {
        const leaf = new Uint8Array(record.length + 1);  // the first byte stays 0x00
        leaf.set(record, 1);
        const digest = await crypto.subtle.digest("SHA-256", leaf);
        return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
    }

    function readRecord(bytes) {
        try {
            return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
        } catch {
            return null;
        }
    }

    function compare(name, found, expected, cannotTell) {
        if (cannotTell) return { name, word: "cannot tell", icon: "help", tone: "idle", said: cannotTell };
        if (String(found) === String(expected)) return { name, word: "matches", icon: "check_circle", tone: "good", said: String(found) };
        return { name, word: "differs", icon: "cancel", tone: "bad", said: `found ${found}, expected ${expected}` };
    }

    async function steps() {
        const { hash, seq, ledger, prev } = section.dataset;
        const bytes = recordBytes();
        const record = readRecord(bytes);
        const unread = record === null ? "the record is no readable JSON" : "";
        const own = record || {};
        return [
            compare("hash", await leafHash(bytes), hash),
            compare("seq", own.seq, seq, unread),
            compare("ledger", own.ledger, ledger, unread),
            compare("prev", own.prev, prev, unread || (prev ? "" : "the entry before it is not in the database")),
        ];
    }

    function show(list) {
        const verdict = list.some((step) => step.word === "differs") ? "This entry does not agree with itself or the chain."
            : list.some((step) => step.word === "cannot tell") ? "Some of it cannot be told here."
            : "This entry is what was hashed, and it follows the entry before it.";
        const sentence = document.createElement("p");
        sentence.textContent = verdict;
        const items = document.createElement("ul");
        items.className = "obs-steps";
        for (const step of list) {
            const item = document.createElement("li");
            item.dataset.step = step.name;
            const badge = document.createElement("span");
            badge.className = `obs-badge obs-${step.tone}`;
            const icon = document.createElement("span");
            icon.className = "material-symbols-outlined";
            icon.setAttribute("aria-hidden", "true");
            icon.textContent = step.icon;
            badge.append(icon, `${step.name}: ${step.word}`);
            const said = document.createElement("code");
            said.textContent = step.said;
            item.append(badge, said);
            items.append(item);
        }
        result.replaceChildren(sentence, items);
    }

    async function check() {
        if (!window.crypto || !crypto.subtle) {
            const sentence = document.createElement("p");
            sentence.textContent = "This page came over plain HTTP, where browsers offer no cryptography. Open it over HTTPS or on localhost, or use the shell line below.";
            result.replaceChildren(sentence);
            return;
        }
        show(await steps());
    }

    document.getElementById("check-button").addEventListener("click", () => {
        check().catch((error) => { result.textContent = `The check could not run: ${error.message}`; });
    });
    document.getElementById("copy-record").addEventListener("click", (event) => {
        window.obsCopy(new TextDecoder("utf-8").decode(recordBytes()), event.currentTarget);
    });
})();
