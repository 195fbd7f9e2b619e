// Check the proof of an entry in the browser: leaf hash, each step up the tree, root, signature.
// The server delivered bytes; the arithmetic is this machine's. The keys came from the same server,
// so a forger could have sent his own: the words say so, and name what to compare.
// Rules: leaf = SHA-256(0x00 ‖ record), node = SHA-256(0x01 ‖ left ‖ right) (RFC 6962).
"use strict";
(() => {
    const button = document.getElementById("proof-button");
    if (!button) return;
    const result = document.getElementById("proof-result");
    let proof = null;  // read when it is checked

    const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const fromHex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
    const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

    async function sha256(...parts) {
        const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
        let place = 0;
        for (const part of parts) {
            whole.set(part, place);
            place += part.length;
        }
        return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
    }

    const leafHash = (record) => sha256(Uint8Array.of(0), record);
    const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

    // The text that is signed, what it says, and its signature lines.
    function readNote(bytes) {
        const whole = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
        const gap = whole.lastIndexOf("\n\n");
        if (gap < 0) throw new Error("the checkpoint is no signed note");
        const text = whole.slice(0, gap + 1);
        const [origin, size, root] = text.split("\n");
        const signatures = whole.slice(gap + 2).split("\n").filter(Boolean).map((line) => {
            const [, name, encoded] = line.split(" ");
            const data = fromBase64(encoded);
            return { name, id: toHex(data.slice(0, 4)), signature: data.slice(4) };
        });
        return { text, origin, size, root: toHex(fromBase64(root)), signatures };
    }

    async function climb(record) {
        const found = [await leafHash(record)];
        for (const step of proof.steps) {
            const below = found[found.length - 1];
            const sibling = fromHex(step.sibling);
            found.push(step.side === "left" ? await nodeHash(sibling, below) : await nodeHash(below, sibling));
        }
        return found.map(toHex);
    }

    // Which side a hash stands on follows from seq and size alone; a page cannot choose it.
    function sides(seq, size) {
        const found = [];
        let low = 0n;
        let high = BigInt(size);
        const index = BigInt(seq);
        while (high - low > 1n) {
            let half = 1n;
            while (half * 2n < high - low) half *= 2n;
            if (index < low + half) {
                found.unshift("right");
                high = low + half;
            } else {
                found.unshift("left");
                low += half;
            }
        }
        return found.join();
    }

    function said(name, word, text) {
        const looks = { holds: ["check_circle", "good"], fails: ["cancel", "bad"], "cannot tell": ["help", "idle"] };
        const [icon, tone] = looks[word];
        return { name, word, icon, tone, text };
    }

    // Web engines learned Ed25519 at different times; without it nothing is claimed.
    async function importKey(key) {
        try {
            return await crypto.subtle.importKey("raw", fromBase64(key.public), { name: "Ed25519" }, false, ["verify"]);
        } catch (error) {
            if (error.name === "NotSupportedError" || error.name === "SyntaxError") return null;
            throw error;
        }
    }

    async function checkSignature(note) {
        const text = new TextEncoder().encode(note.text);
        let holds = 0;
        for (const key of proof.keys) {
            const line = note.signatures.find((each) => each.name === key.name && each.id === key.id);
            if (!line) continue;
            const imported = await importKey(key);
            if (imported === null) return said("signature", "cannot tell", "this browser has no Ed25519; the shell lines below check it");
            if (!await crypto.subtle.verify({ name: "Ed25519" }, imported, line.signature, text)) {
                return said("signature", "fails", `key ${key.name}+${key.id} did not sign this text`);
            }
            holds += 1;
        }
        if (holds === 0) return said("signature", "fails", "no key of this ledger has signed this text");
        const names = proof.keys.map((key) => `${key.name}+${key.id}`).join(", ");
        return said("signature", "holds", `${names}: compare this key with one that you have from elsewhere`);
    }

    async function steps() {
        const record = fromBase64(document.getElementById("check").dataset.record);
        const hashes = await climb(record);
        const note = readNote(fromBase64(proof.note));
        const expected = document.getElementById("check").dataset.hash;
        const root = hashes[hashes.length - 1];
        const isPlaced = sides(proof.seq, note.size) === proof.steps.map((step) => step.side).join();
        const isNamed = note.origin === proof.origin && note.size === String(proof.size);
        show(hashes);
        return [
            hashes[0] === expected ? said("leaf", "holds", hashes[0]) : said("leaf", "fails", `found ${hashes[0]}, expected ${expected}`),
            isPlaced ? said("place", "holds", `entry ${proof.seq} of ${note.size}, ${proof.steps.length} steps`) : said("place", "fails", `these steps do not lead from entry ${proof.seq} in a tree of ${note.size}`),
            root === note.root ? said("root", "holds", root) : said("root", "fails", `found ${root}, signed ${note.root}`),
            isNamed ? said("checkpoint", "holds", `${note.origin}, size ${note.size}`) : said("checkpoint", "fails", `it is of ${note.origin}, size ${note.size}`),
            await checkSignature(note),
        ];
    }

    // Write each result beside its step.
    function show(hashes) {
        const list = document.getElementById("proof-steps");
        hashes.forEach((hash, place) => {
            list.querySelector(`[data-step="${place === 0 ? "leaf" : place - 1}"] [data-result]`).textContent = `= ${hash}`;
        });
    }

    function tell(list) {
        const sentence = document.createElement("p");
        sentence.id = "proof-verdict";
        sentence.textContent = list.some((step) => step.word === "fails") ? "This proof does not hold."
            : list.some((step) => step.word === "cannot tell") ? "The entry is in the tree that the checkpoint names; who signed it cannot be told here."
            : "The proof holds: this record is in the tree that the ledger's key has signed.";
        const items = document.createElement("ul");
        items.className = "obs-steps";
        for (const step of list) {
            const item = document.createElement("li");
            item.dataset.proof = step.name;
            const badge = document.createElement("span");
            badge.className = `obs-badge obs-${step.tone}`;
            const icon = document.createElement("span");
            icon.className = "material-symbols-outlined";
            icon.setAttribute("aria-hidden", "true");
            icon.textContent = step.icon;
            badge.append(icon, `${step.name}: ${step.word}`);
            const text = document.createElement("code");
            text.textContent = step.text;
            item.append(badge, text);
            items.append(item);
        }
        result.replaceChildren(sentence, items);
        document.getElementById("proof-steps").open = true;
    }

    async function check() {
        if (!window.crypto || !crypto.subtle) {
            result.textContent = "This page came over plain HTTP, where browsers offer no cryptography. Open it over HTTPS or on localhost, or use the shell lines below.";
            return;
        }
        proof = JSON.parse(document.getElementById("proof").dataset.proof);
        tell(await steps());
    }

    button.addEventListener("click", () => {
        check().catch((error) => { result.textContent = `The check could not run: ${error.message}`; });
    });
})();
