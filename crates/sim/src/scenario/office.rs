//! Office, PDF, HTML and picture files on their way into a library that rewrites them.
//!
//! Owns how one real file becomes many: each copy holds a text of its own, so that no two have the same bytes. The
//! samples were made by programs of others (`samples/README.md`).

mod vary;

use crate::config::Config;
use crate::content::{Content, mix};
use crate::office::Library;
use crate::scenario::{Extras, Scene, one_job, small_size, source_of};

/// What the library writes is at first one column; `WorldOp::Column` adds others.
pub(super) fn office(scene: &mut Scene<'_>, config: &Config) -> Extras {
    let ada = scene.ada;
    let folder = scene.folder(ada, "/書類");
    let kinds = ["docx", "xlsx", "pptx", "pdf", "html", "txt", "wav", "doc", "xls", "jpg", "png"];
    let mut kinds = kinds.into_iter().cycle();
    for n in 0..config.files {
        let Some(kind) = kinds.next() else { break };
        let name = format!("資料 {n:05}.{kind}");
        match vary::file(kind, n, &format!("資料 {n:05} {:08x}", mix(config.seed ^ n) >> 32)) {
            Some(bytes) => {
                scene.put_next(ada, folder, &name, Content::literal(bytes));
            }
            None => {
                scene.file(ada, folder, &name, config.file_size.unwrap_or_else(|| small_size(config, n)));
            }
        }
    }
    let library = scene.library;
    if let Some(drive) = scene.world.drive_mut(library) {
        drive.library = Some(Box::new(Library { seed: config.seed, ..Library::default() }));
    }
    let sources = source_of(scene.world, 0, "/書類").into_iter().collect();
    scene.job("office", sources, "/Office");
    Extras { toml: one_job("office", "/書類", "/Office"), side_files: Vec::new() }
}
