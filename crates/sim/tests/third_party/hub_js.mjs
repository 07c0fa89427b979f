// Judges a running Hub by @huggingface/hub from npm, unmodified and without xet; 2.17.5 is known to pass.
// Arguments: the JSON line that the simulator printed when it was ready, and the folder that holds node_modules.
// The simulator must run with `--page 3 --multipart-above 100000 --chunk 40000`, without faults.
// Exits non-zero on the first difference. Names with `#` are left out: this client does not escape it in downloads.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import path from "node:path";

const ready = JSON.parse(process.argv[2]);
const hub = createRequire(path.resolve(process.argv[3], "judge.cjs"))("@huggingface/hub");
const token = (user, role) => ready.tokens.find((one) => one.user === user && one.role === role).token;
const repo = { type: "dataset", name: "me/judge-js" };
const mine = { hubUrl: ready.hub, accessToken: token("me", "write"), repo };
const others = { ...mine, accessToken: token("other", "write") };

const inspect = async (what, method = "GET") => (await fetch(`${ready.hub}/__sim/${what}`, { method })).text();
const files = async () =>
    new Map(
        (await inspect(`files?repo=${repo.name}`))
            .trim()
            .split("\n")
            .map(JSON.parse)
            .filter((one) => one.path !== ".gitattributes")
            .map((one) => [one.path, one]),
    );
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const noise = (size, salt) => {
    const bytes = Buffer.alloc(size);
    for (let at = 0; at < size; at += 1) bytes[at] = (at * 31 + salt * 17 + (at >> 8)) & 255;
    bytes.write("RCLONE\0\0");
    return bytes;
};
const blob = (bytes) => new Blob([bytes]);
const refused = (status) => (error) => {
    assert.equal(error.statusCode, status, String(error));
    return true;
};
const upload = (operations, more = {}) =>
    hub.commit({ ...mine, title: "束", operations, useXet: false, ...more });
const add = (name, bytes) => ({ operation: "addOrUpdate", path: name, content: blob(bytes) });
const fetched = async (name, more = {}) => {
    const body = await hub.downloadFile({ ...mine, path: name, xet: false, ...more });
    return body === null ? null : Buffer.from(await body.arrayBuffer());
};

const who = await hub.whoAmI(mine);
assert.equal(who.name, "me");
await hub.createRepo({ ...mine, private: true });
await assert.rejects(hub.createRepo({ ...mine, private: true }), refused(409));
await assert.rejects(hub.createRepo({ ...others, private: true }), refused(403));

// Private.
await assert.rejects(hub.datasetInfo({ ...others, name: repo.name }), refused(404));
await assert.rejects(hub.datasetInfo({ hubUrl: ready.hub, name: repo.name }), refused(401));
assert.equal(await hub.repoExists(mine), true);
assert.equal(await hub.repoExists(others), false);

// One file, in each of the three ways.
const text = Buffer.from("こんにちは\n");
const small = noise(5_000, 1);
const large = noise(150_001, 2);
await hub.uploadFile({ ...mine, file: { path: "読んで.txt", content: blob(text) }, useXet: false });
await hub.uploadFile({ ...mine, file: { path: "会議/録音 1", content: blob(small) }, useXet: false });
await hub.uploadFile({ ...mine, file: { path: "会議/大きい", content: blob(large) }, useXet: false });
for (const [name, bytes] of [["読んで.txt", text], ["会議/録音 1", small], ["会議/大きい", large]]) {
    assert.deepEqual(await fetched(name), bytes, name);
}
assert.equal(await fetched("無い.txt"), null);
assert.equal((await files()).get("会議/大きい").sha256, sha256(large));

// Many operations in one commit.
const made = new Map([...Array(14).keys()].map((number) => [`写真/花子/${number}`, noise(2_000 + number, number)]));
await inspect("requests/reset", "POST");
const first = await upload([
    ...[...made].map(([name, bytes]) => add(name, bytes)),
    add("写真/目録.md", Buffer.from("# 目録\n")),
    { operation: "delete", path: "読んで.txt" },
]);
const routes = JSON.parse(await inspect("requests")).by_route;
assert.equal(routes["POST commit"], 1);
assert.equal(routes["PUT storage"], made.size);
let there = await files();
assert.equal(there.has("読んで.txt"), false);
for (const [name, bytes] of made) assert.equal(there.get(name).sha256, sha256(bytes), name);

// A tree of many pages, a folder, and given paths.
const listed = [];
for await (const one of hub.listFiles({ ...mine, recursive: true })) listed.push(one);
const plain = listed.filter((one) => one.type === "file" && one.path !== ".gitattributes");
assert.deepEqual(new Set(plain.map((one) => one.path)), new Set(there.keys()));
assert.equal(plain.length, there.size);
for (const one of plain) assert.equal(one.lfs?.oid ?? null, there.get(one.path).sha256, one.path);
const folder = [];
for await (const one of hub.listFiles({ ...mine, path: "写真", revision: first.commit.oid })) folder.push(one.path);
assert.deepEqual(folder.sort(), ["写真/目録.md", "写真/花子"].sort());
const info = await hub.pathsInfo({ ...mine, paths: ["写真/花子/3", "無い", "会議"] });
assert.deepEqual(info.map((one) => one.path).sort(), ["会議", "写真/花子/3"].sort());

// Existence, facts before a download, ranges.
assert.equal(await hub.fileExists({ ...mine, path: "写真/花子/3" }), true);
assert.equal(await hub.fileExists({ ...mine, path: "写真/花子/99" }), false);
const facts = await hub.fileDownloadInfo({ ...mine, path: "会議/大きい" });
assert.equal(facts.size, large.length);
const range = await hub.downloadFile({ ...mine, path: "会議/大きい", xet: false });
assert.deepEqual(Buffer.from(await range.slice(100, 200).arrayBuffer()), large.subarray(100, 200));

// Compare and swap, deletion, history.
await upload([add("写真/後.txt", Buffer.from("後"))], { parentCommit: first.commit.oid });
await assert.rejects(upload([add("遅い.txt", text)], { parentCommit: first.commit.oid }), refused(412));
await assert.rejects(hub.deleteFile({ ...mine, path: "無い.txt" }), refused(404));
await hub.deleteFiles({ ...mine, paths: ["写真/後.txt", "写真/花子/0"] });
there = await files();
assert.equal(there.has("写真/花子/0"), false);
assert.equal((await fetched("写真/花子/0", { revision: first.commit.oid })).length, 2_000);
const history = [];
for await (const one of hub.listCommits({ ...mine, batchSize: 2 })) history.push(one.title);
assert.equal(history.length, await hub.countCommits(mine));
assert.equal(history.at(-1), "initial commit");

assert.deepEqual(JSON.parse(await inspect("requests")).violations, []);
await hub.deleteRepo(mine);
assert.equal(await hub.repoExists(mine), false);
console.log("@huggingface/hub: all well");
