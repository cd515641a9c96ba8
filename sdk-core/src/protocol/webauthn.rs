//! WebAuthn Level 3 types in their JSON form, with the specification's names.
