package peers.streams;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/** visits ─┬─ carts; by action and by country ─ windows of 5 s ─ MariaDB. */
final class Flow {
    private static final Serde<Visit> VISIT = Serdes.serdeFrom(
            (topic, visit) -> {
                throw new UnsupportedOperationException("visits are only read");
            },
            Visit.DESERIALIZER);
    private static final TimeWindows WINDOWS = TimeWindows.ofSizeAndGrace(
            Duration.ofSeconds(5), Duration.ofSeconds(Long.parseLong(System.getenv("PEER_GRACE_S"))));

    /** How many visits each board has added, for the end of the run. */
    static final Map<String, LongAdder> ADDED = Map.of("action", new LongAdder(), "country", new LongAdder());

    static StreamsBuilder builder(String visitsTopic, String cartsTopic) {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<byte[], Visit> visits = builder.stream(
                visitsTopic,
                Consumed.with(Serdes.ByteArray(), VISIT)
                        .withTimestampExtractor((record, previous) -> ((Visit) record.value()).dateMs()));
        visits.filter((key, visit) -> visit.isAbandonedCart())
                .mapValues(Visit::cartLine)
                .to(cartsTopic, Produced.with(Serdes.ByteArray(), Serdes.String()));
        board("action", visits, Visit::lastAction);
        board("country", visits, Visit::country);
        return builder;
    }

    /** Only the duration goes through the repartition topic: key, four bytes, and the date as the timestamp. */
    private static void board(String name, KStream<byte[], Visit> visits, Function<Visit, String> entry) {
        LongAdder added = ADDED.get(name);
        visits.map((key, visit) -> KeyValue.pair(entry.apply(visit), visit.duration()))
                .groupByKey(Grouped.with(name, Serdes.String(), Serdes.Integer()))
                .windowedBy(WINDOWS)
                .aggregate(
                        () -> Total.NOTHING,
                        (key, duration, total) -> {
                            added.increment();
                            return total.plus(duration);
                        },
                        Materialized.with(Serdes.String(), Total.SERDE))
                .toStream()
                .process(() -> new TotalsWriter(name));
    }
}
