package passkey.accounts

import java.util.Base64

/**
 * Bytes that nobody can change, compared by what they are.
 *
 * ```kotlin
 * val pinned = Bytes(file.readBytes())
 * if (added.publicKey != pinned) refuse()
 * ```
 */
public class Bytes private constructor(private val bytes: ByteArray, @Suppress("unused") private val isOwn: Unit) {
    /** A copy of these bytes. */
    public constructor(bytes: ByteArray) : this(bytes.copyOf(), Unit)

    /** How many there are. */
    public val size: Int get() = bytes.size

    /** A copy of them. */
    public fun toByteArray(): ByteArray = bytes.copyOf()

    /** Whether [other] are the same bytes. */
    override fun equals(other: Any?): Boolean = other is Bytes && bytes.contentEquals(other.bytes)

    override fun hashCode(): Int = bytes.contentHashCode()

    /** In unpadded base64url, as on the wire. */
    override fun toString(): String = BASE64URL.encodeToString(bytes)

    internal companion object {
        /** Without a copy: nobody else has the array. */
        internal fun ofOwn(bytes: ByteArray): Bytes = Bytes(bytes, Unit)

        private val BASE64URL = Base64.getUrlEncoder().withoutPadding()
    }
}
