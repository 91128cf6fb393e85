package peers.streams;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;

/** Runs the flow until every visit that the topic holds at the start is added to both boards, or is dropped. */
public final class Job {
    private static final String SERVERS = System.getenv("PEER_BOOTSTRAP_SERVERS");
    private static final String VISITS = System.getenv("PEER_VISITS_TOPIC");
    private static final String CARTS = System.getenv("PEER_CARTS_TOPIC");
    private static final long POLL_MS = 50;

    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    public static void main(String[] arguments) {
        try {
            new Job().run(Files.createTempDirectory("kafka-streams"));
            System.exit(0);
        } catch (Throwable failure) {
            failure.printStackTrace();
            System.err.println("failed: " + root(failure));
            System.exit(1);
        }
    }

    private void run(Path state) throws Throwable {
        long visits = visitsInTheTopic();
        Properties properties = properties(state);
        try (KafkaStreams streams = new KafkaStreams(Flow.builder(VISITS, CARTS).build(properties), properties)) {
            streams.setUncaughtExceptionHandler(thrown -> {
                failure.compareAndSet(null, thrown);
                return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
            });
            streams.start();
            while (added() + dropped(streams) < 2 * visits && failure.get() == null) {
                TimeUnit.MILLISECONDS.sleep(POLL_MS);
            }
            System.out.println("{\"dropped\":" + dropped(streams) + "}");
            streams.close(Duration.ofMinutes(1)); // commits: the caches flow into the tables
        }
        if (failure.get() != null) {
            throw failure.get();
        }
    }

    private static Properties properties(Path state) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, CARTS + ".streams");
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, SERVERS);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, System.getenv("PEER_PARALLELISM"));
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, System.getenv("PEER_GUARANTEE"));
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "1000");
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "67108864");
        properties.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG,
                BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
        properties.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
        properties.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, "10000");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.ISOLATION_LEVEL_CONFIG), "read_committed");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), "4000");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), "4194304");
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), "100");
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), "262144");
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        return properties;
    }

    private static long visitsInTheTopic() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", SERVERS))) {
            int partitions = admin.describeTopics(List.of(VISITS)).allTopicNames().get().get(VISITS)
                    .partitions().size();
            long visits = 0;
            for (int partition = 0; partition < partitions; partition++) {
                TopicPartition place = new TopicPartition(VISITS, partition);
                visits += offset(admin, place, OffsetSpec.latest()) - offset(admin, place, OffsetSpec.earliest());
            }
            return visits;
        }
    }

    private static long offset(Admin admin, TopicPartition place, OffsetSpec which) throws Exception {
        return admin.listOffsets(Map.of(place, which)).partitionResult(place).get().offset();
    }

    private static long added() {
        return Flow.ADDED.values().stream().mapToLong(each -> each.sum()).sum();
    }

    /** Visits that came after the grace period of their window, of both boards together. */
    private static long dropped(KafkaStreams streams) {
        return streams.metrics().values().stream()
                .filter(metric -> metric.metricName().name().equals("dropped-records-total"))
                .mapToLong(metric -> Math.round((Double) metric.metricValue()))
                .sum();
    }

    private static Throwable root(Throwable failure) {
        return failure.getCause() == null ? failure : root(failure.getCause());
    }
}
