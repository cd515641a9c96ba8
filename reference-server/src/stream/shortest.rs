//! The shortest client: account edges from now on, exactly `{"type":"loggedIn","data":{"accountID":"..."}}`.

use passkey_accounts::protocol::Code;

use super::socket::{End, Subscription, Wake};
use crate::socket::Socket;

pub(super) async fn serve(mut subscription: Subscription<'_>, socket: &mut Socket) -> Result<(), End> {
    let mut scanned = subscription.tail.state().seq();
    loop {
        loop {
            // Out of memory's reach means far behind: skipping would break the edges, so it must reconnect.
            let entries = subscription
                .tail
                .entries_after(scanned, crate::limits::READ_ENTRIES)
                .ok_or(Code::SlowConsumer)?;
            let Some(last) = entries.last() else { break };
            scanned = last.seq;
            for frame in entries.iter().filter_map(|entry| entry.shortest_frame()) {
                socket.feed(frame).await?;
                subscription.said();
            }
        }
        socket.flush().await?;
        match subscription.wait(socket).await? {
            Wake::Grown | Wake::Idle => {}
            // Nothing is expected from it and nothing is answered: it would not understand.
            Wake::Message(_) => {}
        }
    }
}
