//! The delta of a drive as a listing: everything, or everything that changed since a link.
//!
//! Owns the links and the guards against links that lead nowhere. A link is opaque: it is followed as
//! given. Refuses to know paths and to sort: order, repetition and orphans are the engine's.
//! Reference: reference/graph.md, section 6.

use std::collections::VecDeque;

use async_trait::async_trait;
use landfall_core::store::{Listing, Page};
use landfall_core::words::Cursor;
use landfall_core::{Code, ErrorKind, Retry, StoreError};

use super::item::ItemPage;
use super::place::{Place, unexpected};
use super::units;
use crate::wire::{Answer, Call, Refusal, same_origin, shown_url};

/// Links that are remembered in order to notice a circle.
const REMEMBERED: usize = 32;

/// How often a page is asked for again before it counts as broken.
const TRIES: u32 = 5;

/// Pages without an item in a row, after which the listing is given up for now. Some hundred are normal.
const MOST_EMPTY: u32 = 10_000;

/// How often one listing may be sent back to its beginning.
const MOST_RESTARTS: u32 = 3;

/// A delta under way.
pub(crate) struct Delta {
    place: Place,
    /// The page to ask for next; `None` after the last.
    link: Option<String>,
    passed: VecDeque<String>,
    /// True until the first page after a (re)start was given.
    restarted: bool,
    restarts: u32,
    empty: u32,
}

impl Delta {
    /// Begins at a link of an earlier listing, or at the beginning.
    pub(crate) fn new(place: Place, since: Option<Cursor>) -> Self {
        let start = place.address.delta();
        // A link of another host (a moved endpoint) is worth as much as an expired one.
        let known = since.as_ref().map(|cursor| cursor.0.clone()).filter(|link| same_origin(link, &start));
        let restarted = since.is_some() && known.is_none();
        Self {
            link: Some(known.unwrap_or(start)),
            place,
            passed: VecDeque::new(),
            restarted,
            restarts: 0,
            empty: 0,
        }
    }

    /// Asks for one page until it is one, or until asking again makes no sense.
    async fn page(&mut self) -> Result<Option<(ItemPage, String)>, StoreError> {
        let mut tries = 0;
        while let Some(link) = self.link.clone() {
            // With a token 1 unit, without 2.
            let cost = if link.contains("token") { 1 } else { 2 };
            let call = Call::get(&link, "list", &self.place.label).cost(units(cost));
            let answer = self.place.wire.send(&call).await?;
            if self.is_expired(&answer, &link) {
                self.restart(&answer)?;
                continue;
            }
            if !answer.status.is_success() {
                return Err(self.place.listing_refused(&answer));
            }
            tries += 1;
            let error = match answer.json::<ItemPage>() {
                None => unexpected("list", &self.place.label, "the answer is no page of items"),
                Some(page) if page.next.is_none() && page.delta.is_none() => {
                    unexpected("list", &self.place.label, "the page has neither a next nor a last link")
                }
                Some(page) if page.delta.is_none() && self.leads_back(&page, &link) => {
                    unexpected("list", &self.place.label, "the service's links lead in a circle")
                }
                Some(page) => return Ok(Some((page, link))),
            };
            if tries == TRIES {
                return Err(error.with_retry(Retry::Soon));
            }
            tracing::debug!(drive = %self.place.label, problem = %error.detail, "page asked for again");
            self.place.wire.pause(tries).await;
        }
        Ok(None)
    }

    fn leads_back(&self, page: &ItemPage, link: &str) -> bool {
        page.next
            .as_deref()
            .is_some_and(|next| next == link || self.passed.iter().any(|passed| passed == next))
    }

    fn is_expired(&self, answer: &Answer, link: &str) -> bool {
        match answer.status.as_u16() {
            410 => true,
            // Unverified: whether a link that is too old or from another drive may be refused so.
            400 => {
                link != self.place.address.delta()
                    && !Refusal::of(answer).codes.is_empty()
                    && self.restarts == 0
            }
            _ => false,
        }
    }

    /// Goes back to the beginning: to the link that the service names, or to the plain one.
    fn restart(&mut self, answer: &Answer) -> Result<(), StoreError> {
        self.restarts += 1;
        if self.restarts > MOST_RESTARTS {
            return Err(unexpected("list", &self.place.label, "every listing expires before it ends"));
        }
        let start = self.place.address.delta();
        let named = answer.header("location").filter(|link| same_origin(link, &start) && self.restarts == 1);
        let link = named.map_or(start, str::to_owned);
        tracing::debug!(drive = %self.place.label, link = %shown_url(&link), "listing begins again");
        self.link = Some(link);
        self.passed.clear();
        self.restarted = true;
        Ok(())
    }
}

#[async_trait]
impl Listing for Delta {
    async fn next(&mut self) -> Result<Option<Page>, StoreError> {
        let Some((page, link)) = self.page().await? else {
            return Ok(None);
        };
        self.empty = if page.value.is_empty() { self.empty + 1 } else { 0 };
        if self.empty > MOST_EMPTY {
            let detail = format!("{MOST_EMPTY} pages in a row were empty");
            return Err(StoreError::new(ErrorKind::Interrupted, "list", &self.place.label, detail)
                .with_code(Code::UnexpectedAnswer));
        }
        if self.passed.len() == REMEMBERED {
            self.passed.pop_front();
        }
        self.passed.push_back(link);
        let items = page.value.iter().filter_map(|item| item.listed(&self.place.root)).collect();
        let complete = page.delta.is_some();
        let cursor = page.delta.or(page.next);
        self.link = if complete { None } else { cursor.clone() };
        let restarted = std::mem::take(&mut self.restarted);
        Ok(Some(Page { items, cursor: cursor.map(Cursor), complete, restarted }))
    }
}
