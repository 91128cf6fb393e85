package peers.spark;

import static org.apache.spark.sql.functions.array;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.explode;
import static org.apache.spark.sql.functions.from_json;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.struct;
import static org.apache.spark.sql.functions.sum;
import static org.apache.spark.sql.functions.to_csv;
import static org.apache.spark.sql.functions.window;

import java.util.Map;
import org.apache.spark.api.java.function.ForeachPartitionFunction;
import org.apache.spark.api.java.function.VoidFunction2;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.streaming.DataStreamReader;
import org.apache.spark.sql.streaming.OutputMode;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.Trigger;

/** Two queries over what the topic holds at the start: both boards into MariaDB, and carts into Kafka. */
public final class Job {
    private static final String SERVERS = System.getenv("PEER_BOOTSTRAP_SERVERS");
    private static final String PARALLELISM = System.getenv("PEER_PARALLELISM");
    private static final String CHECKPOINTS = System.getProperty("java.io.tmpdir") + "/checkpoints-";
    private static final String SCHEMA = "visitDate STRING, country STRING, lastAction STRING, duration INT";

    public static void main(String[] arguments) {
        try (SparkSession spark = session()) {
            StreamingQuery boards = boards(visits(spark));
            StreamingQuery carts = carts(visits(spark));
            boards.awaitTermination();
            carts.awaitTermination();
        } catch (Throwable failure) {
            failure.printStackTrace();
            System.err.println("failed: " + root(failure));
            System.exit(1);
        }
        System.exit(0);
    }

    private static SparkSession session() {
        return SparkSession.builder()
                .master("local[" + PARALLELISM + "]")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.ui.enabled", "false")
                .config("spark.local.dir", System.getProperty("java.io.tmpdir"))
                .config("spark.sql.warehouse.dir", System.getProperty("java.io.tmpdir") + "/warehouse")
                .config("spark.sql.session.timeZone", "UTC")
                .config("spark.sql.shuffle.partitions", PARALLELISM)
                .config("spark.sql.streaming.noDataMicroBatches.enabled", "false")
                .getOrCreate();
    }

    private static Dataset<Row> visits(SparkSession spark) {
        DataStreamReader topic = spark.readStream()
                .format("kafka")
                .option("kafka.bootstrap.servers", SERVERS)
                .option("subscribe", System.getenv("PEER_VISITS_TOPIC"))
                .option("startingOffsets", "earliest")
                .option("maxOffsetsPerTrigger", System.getenv("PEER_BATCH_VISITS"))
                .option("kafka.isolation.level", "read_committed")
                .option("kafka.max.partition.fetch.bytes", "4194304")
                .option("kafka.max.poll.records", "4000");
        return topic.load()
                .select(from_json(col("value").cast("string"), SCHEMA, Map.of()).as("visit"))
                .select("visit.*");
    }

    /** One aggregation for both boards: every visit is a row of each. */
    private static StreamingQuery boards(Dataset<Row> visits) throws Exception {
        return visits.withColumn("moment", col("visitDate").cast("timestamp"))
                .withWatermark("moment", System.getenv("PEER_WATERMARK_S") + " seconds")
                .select(col("moment"), col("duration"), explode(array(
                        struct(lit("action").as("board"), col("lastAction").as("entry")),
                        struct(lit("country").as("board"), col("country").as("entry")))).as("on"))
                .groupBy(window(col("moment"), "5 seconds"), col("on.board"), col("on.entry"))
                .agg(sum("duration").as("duration_s"), count(lit(1)).as("visits"))
                .select("window.start", "board", "entry", "duration_s", "visits")
                .writeStream()
                .queryName("boards")
                .outputMode(OutputMode.Update())
                .option("checkpointLocation", CHECKPOINTS + "boards")
                .trigger(Trigger.AvailableNow())
                .foreachBatch((VoidFunction2<Dataset<Row>, Long>) (batch, number) ->
                        batch.foreachPartition((ForeachPartitionFunction<Row>) TotalsWriter::write))
                .start();
    }

    private static StreamingQuery carts(Dataset<Row> visits) throws Exception {
        return visits.where(col("lastAction").equalTo("SHOPPING_CART"))
                .select(to_csv(struct("visitDate", "country", "lastAction", "duration")).as("value"))
                .writeStream()
                .queryName("carts")
                .format("kafka")
                .option("kafka.bootstrap.servers", SERVERS)
                .option("topic", System.getenv("PEER_CARTS_TOPIC"))
                .option("kafka.linger.ms", "20")
                .option("kafka.batch.size", "262144")
                .option("kafka.compression.type", "lz4")
                .option("checkpointLocation", CHECKPOINTS + "carts")
                .trigger(Trigger.AvailableNow())
                .start();
    }

    private static Throwable root(Throwable failure) {
        return failure.getCause() == null ? failure : root(failure.getCause());
    }
}
