-- What a program of version 1 left behind: the rows of a real ledger (SQLite), written so that both databases
-- take them. The first migration makes the tables. Words are those of that version's lists.

INSERT INTO word (id, text) VALUES
(1, 'Spooled'),
(2, 'Present'),
(3, 'SpoolLost'),
(4, 'Proven'),
(5, 'Vanished'),
(6, 'Displaced'),
(7, 'Failed'),
(8, 'Lapsed'),
(9, 'Superseded'),
(10, 'Renamed'),
(11, 'Gone'),
(12, 'Retried'),
(13, 'Intended'),
(14, 'Deferred'),
(15, 'Noted'),
(16, 'Checked'),
(17, 'shortcut'),
(18, 'malware'),
(19, 'filtered'),
(20, 'orphan'),
(21, 'special'),
(22, 'hostile-name'),
(23, 'name-illegal'),
(24, 'name-reserved'),
(25, 'name-too-long'),
(26, 'name-collision'),
(27, 'too-large'),
(28, 'folder-is-file'),
(29, 'unproven'),
(30, 'hash-pending'),
(31, 'rewritten'),
(32, 'different-at-destination'),
(33, 'corrupt-at-destination'),
(34, 'absent-at-destination'),
(35, 'changed-at-destination'),
(36, 'source-changed'),
(37, 'renamed-at-source'),
(38, 'source-gone'),
(39, 'source-denied'),
(40, 'source-mismatch'),
(41, 'source-contradicted'),
(42, 'upload-reserved'),
(43, 'destination-full'),
(44, 'locked'),
(45, 'destination-denied'),
(46, 'rejected'),
(47, 'throttled'),
(48, 'interrupted'),
(49, 'spool-failed'),
(50, 'imported'),
(51, 'unknown'),
(52, 'hash'),
(53, 'bytes'),
(54, 'parts'),
(55, 'matched'),
(56, 'unpublished'),
(57, 'contradicted'),
(58, 'stream'),
(59, 'spool'),
(60, 'copy'),
(61, 'already_there');
INSERT INTO job (id, name, identity, epoch, seq, next_file, next_folder, holder, opened) VALUES
(1, '移行', '宛先', 1, 8, 6, 2, 'version 1', 1750000000000000);
INSERT INTO run (id, job, command, started, ended, resumed, summary) VALUES
(1, 1, 'run', 1750000001000000, 1750000014000000, 0, '{}');
INSERT INTO source (id, job, label, identity, root, cursor, pass, whole, complete) VALUES
(1, 1, 'ada@contoso.com', 'drive-1', 4294967297, 'https://delta?2', 2, 0, 1);
INSERT INTO folder (id, source, key, parent, name, path, path_fold, created, modified, child_count, standing, target, target_hash, dest_item, timed, seen) VALUES
(4294967297, 1, '', NULL, '', '', 7183457195969485844, NULL, NULL, NULL, 1, '', 7183457195969485844, 'dest-', 0, 0),
(4294967298, 1, 'd', 4294967297, '録音', '録音', 1849422573022165786, NULL, 1749999930000000, 5, 1, '録音', 1849422573022165786, 'dest-d', 0, 1);
INSERT INTO file (id, source, folder, standing, skip, state, reason, proven, leg, via, attempts, last, intended, size, seen, name_fold, fold, target, not_before, changed_at, unchanged_at, hash_at, bytes_at, created, modified, ours_size, key, name, revision, dest_name, comment, digests, ours, item, item_revision, item_size, item_digests) VALUES
(4294967297, 1, 4294967298, 1, NULL, 3, NULL, 52, 55, 58, 0, 0, 0, 10, 1, 5112615366306197690, NULL, 2688437553566854130, NULL, 1750000010000000, NULL, 1750000009000000, NULL, 1749999900000000, 1749999950000000, NULL, 'success', '会議.wav', '"success,1"', NULL, NULL, unhex('020101010101010101010101010101010101010101'), unhex('01070707070707070707070707070707070707070707070707070707070707070782'), 'dest-1', '"d,1"', 10, unhex('82')),
(4294967298, 1, 4294967298, 1, NULL, 1, NULL, NULL, 55, NULL, 0, 0, 0, 10, 1, 2437620304331939197, NULL, 6616459226093675200, NULL, 1750000010000000, NULL, NULL, NULL, 1749999900000000, 1749999950000000, 10, 'local', '議事録.docx', '"local,1"', NULL, NULL, unhex('020101010101010101010101010101010101010101'), unhex('01070707070707070707070707070707070707070707070707070707070707070782'), NULL, NULL, NULL, NULL),
(4294967299, 1, 4294967298, 1, NULL, 4, 46, NULL, NULL, NULL, 1, 1, 0, 10, 1, 3399931110636110234, NULL, 3779296125408621587, NULL, 1750000010000000, NULL, NULL, NULL, 1749999900000000, 1749999950000000, NULL, 'ng', '写真 #1.jpg', '"ng,1"', '写真 _1.jpg', '拒否された', unhex('020101010101010101010101010101010101010101'), NULL, NULL, NULL, NULL, NULL),
(4294967300, 1, 4294967298, 1, NULL, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 10, 1, 9081532995978356, NULL, 4547159600234199822, NULL, 1750000002000000, NULL, NULL, NULL, 1749999900000000, 1749999950000000, NULL, 'pending', 'it''s.txt', '"pending,1"', NULL, NULL, unhex('020101010101010101010101010101010101010101'), NULL, NULL, NULL, NULL, NULL),
(4294967301, 1, 4294967298, 4, NULL, 1, 47, NULL, 55, NULL, 1, 0, 0, 10, 1, 4642944844366798366, NULL, 3865973461939202396, 1750000500000000, 1750000011000000, NULL, NULL, NULL, 1749999900000000, 1749999950000000, 10, 'gone', '去.txt', '"gone,1"', NULL, '429', unhex('020101010101010101010101010101010101010101'), unhex('01070707070707070707070707070707070707070707070707070707070707070782'), NULL, NULL, NULL, NULL),
(4294967302, 1, 4294967297, 3, 17, 0, NULL, NULL, NULL, NULL, 0, 0, 0, 10, 1, 2368611496943267000, 0, 0, NULL, 1750000002000000, NULL, NULL, NULL, 1749999900000000, 1749999950000000, NULL, 'skipped', '近道', '"skipped,1"', NULL, NULL, unhex('020101010101010101010101010101010101010101'), NULL, NULL, NULL, NULL, NULL);
INSERT INTO event (job, seq, file, name, before, after, reason, comment, at, epoch) VALUES
(1, 1, 4294967297, 13, 0, 0, NULL, NULL, 1750000010000000, 1),
(1, 2, 4294967297, 2, 0, 2, 29, NULL, 1750000010000000, 1),
(1, 3, 4294967297, 4, 2, 3, NULL, 'hash', 1750000010000000, 1),
(1, 4, 4294967298, 1, 0, 1, NULL, NULL, 1750000010000000, 1),
(1, 5, 4294967299, 7, 0, 4, 46, '拒否された', 1750000010000000, 1),
(1, 6, 4294967301, 1, 0, 1, NULL, NULL, 1750000010000000, 1),
(1, 7, 4294967301, 14, 1, 1, 47, '429', 1750000010000000, 1),
(1, 8, 4294967301, 11, 1, 1, NULL, NULL, 1750000011000000, 1);
INSERT INTO tree (id, identity, cursor, pass, whole, complete) VALUES
(1, 'drive-9', NULL, 1, 1, 1);
INSERT INTO found (tree, item, parent, fold, name, folder, size, digests, revision, created, modified, seen) VALUES
(1, 'dest-1', 'dest-d', 5112615366306197690, '会議.wav', 0, 10, unhex('020101010101010101010101010101010101010101'), '"dest-1,1"', 1749999900000000, 1749999950000000, 1);
INSERT INTO memo (job, kind, key, sealed, body, expires) VALUES
(1, 'window', '窓', 0, unhex('7b226e223a317d'), NULL);
CREATE TABLE landfall_schema (version BIGINT PRIMARY KEY);
INSERT INTO landfall_schema (version) VALUES (1);
