//! Bugs that only tests can plant: a simulation that cannot find them proves nothing. Without the feature `planted`
//! every one of them is the literal `false`.

/// `true` while that bug is planted on this thread; the literal `false` without the feature `planted`.
#[cfg(feature = "planted")]
#[doc(hidden)]
#[macro_export]
macro_rules! planted {
    ($bug:ident) => {
        $crate::planted::is_planted($crate::planted::Bug::$bug)
    };
}

/// `true` while that bug is planted on this thread; the literal `false` without the feature `planted`.
#[cfg(not(feature = "planted"))]
#[doc(hidden)]
#[macro_export]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

#[cfg(feature = "planted")]
pub use switch::{Bug, is_planted, plant};

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;

    macro_rules! bugs {
        ($($(#[$doc:meta])* $name:ident)* ; $($(#[$other_doc:meta])* $other:ident)*) => {
            /// A mistake that somebody could make.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum Bug {
                $($(#[$doc])* $name,)*
                $($(#[$other_doc])* $other,)*
            }

            impl Bug {
                /// Those that the simulation finds.
                pub const ALL: &[Self] = &[$(Self::$name,)*];
            }
        };
    }

    bugs! {
        /// Driver: the sessions and the position of a snapshot are read at different moments.
        FuzzySnapshot
        /// Server: the hash of a position is not compared.
        HashNotChecked
        /// Server: the epoch of a position is not compared.
        EpochNotChecked
        /// Server: a position beyond the head is continued at the head.
        AheadAccepted
        /// Server: what was cut off is skipped without a word.
        TruncatedInSilence
        /// Server: a worker's position moves when an item is sent.
        SettledWhenSent
        /// Server: a lane is offered while its owner still has it.
        OfferedWhileOwned
        /// Server: pages do not count against the window.
        PagesNotCounted
        /// Server: receipts of pages are the same in every attempt.
        ReceiptsReused
        /// Server: entries beyond the credit count as looked at.
        ScannedBeyondCredit
        /// Server: a worker's position moves on while items are outstanding.
        ScannedSettledTooEarly
        /// Server: a snapshot is filtered by the wrong lane.
        WrongLaneInSnapshot
        /// Server: the event at a snapshot's position comes once more.
        RepeatedAtSeam
        /// Server: a bookmark is ahead of events that are not sent yet.
        BookmarkAhead
        /// Server: the worker's own word for its position is ignored.
        OwnWordIgnored
        /// Server: the shortest client is moved on silently when it is behind.
        ShortestSkips
        /// Server: a worker's position passes a gap that it has not heard of.
        GapUnheard
        /// Server: acknowledgements of items count as messages out of turn.
        AcksRationed
        /// Driver: a lane is free before its position is kept.
        ReleasedBeforeKept
        /// Driver: positions that are not kept yet are forgotten at the end of a connection.
        SettledForgottenAtEnd
        /// Store: leases are a plain counter.
        PlainLeaseCounter
        /// Client: `prev` is not compared, and something on the way loses a message now and then.
        PrevNotChecked
        /// Client: what was received and not handed over is kept over a reconnect.
        QueueKept
        /// Client: an outcome counts for whatever flow there is now.
        GenerationIgnored
        /// Client: an item that failed is acknowledged.
        FailedAcked
        /// Application: it commits under the lane's present lease.
        PresentLease
        /// Client: a lane is taken while its handler is at work.
        TakenWhileBusy
        /// Client: it resumes after what it received.
        ResumedAfterReceived
        /// Client: a gap is not handed on.
        GapSwallowed
        /// Client: the id of any page is taken for a position.
        PageIsPosition
        /// Client: an acknowledgement passes what is not settled.
        AckPassesUnsettled
        /// Client: the item in hand is forgotten when the connection is lost.
        InHandForgotten
        /// Client: a gap that was received moves the position, handled or not.
        GapMovesFloor
        /// Client: what this process has done is not remembered.
        DoneForgotten
        /// Client: a lane that is wanted back is given back with an item in hand.
        ReleasedInHand
        ;
        /// Store: an account's version is not compared with the roll.
        RollNotChecked
        /// Store: the passkeys of an account are not compared with its seal.
        SealNotChecked
        /// Store: the rows of a database that is opened are not compared with the last commit.
        TotalNotChecked
        /// Store: the signature of an API key's row is not checked.
        KeySignatureNotChecked
        /// Server: decoys look the same in every app, whatever its accounts look like.
        DecoysOfOneMould
        /// Server: answers leave when they are ready, as they are.
        AnsweredAtOnce
    }

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants one bug on this thread, or none.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Whether that one is planted on this thread.
    pub fn is_planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}
