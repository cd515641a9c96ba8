//! What the standard library would bring: an allocator, and what a broken invariant does.

use core::panic::PanicInfo;

use lol_alloc::{FreeListAllocator, LockedAllocator};

/// A free list: slower than the usual allocator and a tenth of its size. A page allocates a few strings for a message.
#[global_allocator]
static ALLOCATOR: LockedAllocator<FreeListAllocator> = LockedAllocator::new(FreeListAllocator::new());

/// Traps: JavaScript sees a `RuntimeError`. The message would need all of Rust's formatting.
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
