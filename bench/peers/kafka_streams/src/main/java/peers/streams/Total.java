package peers.streams;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** Seconds and number of visits of one window. */
record Total(long durationS, long visits) {
    static final Total NOTHING = new Total(0, 0);

    static final Serde<Total> SERDE = Serdes.serdeFrom(
            (topic, total) -> total == null
                    ? null
                    : ByteBuffer.allocate(16).putLong(total.durationS).putLong(total.visits).array(),
            (topic, bytes) -> {
                if (bytes == null) {
                    return null;
                }
                ByteBuffer buffer = ByteBuffer.wrap(bytes);
                return new Total(buffer.getLong(), buffer.getLong());
            });

    Total plus(int seconds) {
        return new Total(durationS + seconds, visits + 1);
    }
}
