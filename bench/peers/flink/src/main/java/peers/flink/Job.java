package peers.flink;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** Runs job.sql in this process to the end of the topic. What it reads from the environment is in README.md. */
public final class Job {
    private static final String GUARANTEE = System.getenv("PEER_GUARANTEE");
    private static final int PARALLELISM = Integer.parseInt(System.getenv("PEER_PARALLELISM"));

    public static void main(String[] arguments) {
        try {
            run();
            System.exit(0); // not after the idle threads' time-outs
        } catch (Throwable failure) {
            failure.printStackTrace();
            System.err.println("failed: " + root(failure));
            System.exit(1);
        }
    }

    private static void run() throws Exception {
        Configuration configuration = configuration();
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(PARALLELISM, configuration);
        TableEnvironment tables = StreamTableEnvironment.create(environment);
        tables.getConfig().addConfiguration(configuration);
        TableResult last = null;
        for (String statement : sql().split(";\n\n")) {
            last = tables.executeSql(statement);
        }
        last.await();
    }

    private static Configuration configuration() {
        Configuration configuration = new Configuration();
        configuration.setString("pipeline.object-reuse", "true");
        configuration.setString("parallelism.default", "" + PARALLELISM);
        configuration.setString("taskmanager.numberOfTaskSlots", "" + PARALLELISM);
        configuration.setString("state.backend.type", "hashmap");
        configuration.setString("taskmanager.memory.managed.size", "128m");
        configuration.setString("taskmanager.memory.network.min", "64m");
        configuration.setString("taskmanager.memory.network.max", "64m");
        configuration.setString("table.local-time-zone", "UTC");
        configuration.setString("rest.bind-port", "0");
        configuration.setString("restart-strategy.type", "none"); // a run that failed has no speed
        if (GUARANTEE.equals("exactly-once")) {
            configuration.setString("execution.checkpointing.interval", "1 s");
            configuration.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
            configuration.setString("execution.checkpointing.dir", "file://" + System.getProperty("java.io.tmpdir"));
        }
        return configuration;
    }

    /** The statements, with the variables of the environment in them. */
    private static String sql() throws Exception {
        try (InputStream file = Job.class.getResourceAsStream("/job.sql")) {
            String text = new String(file.readAllBytes(), StandardCharsets.UTF_8);
            for (var variable : System.getenv().entrySet()) {
                text = text.replace("${" + variable.getKey() + "}", variable.getValue());
            }
            return text.strip();
        }
    }

    private static Throwable root(Throwable failure) {
        return failure.getCause() == null ? failure : root(failure.getCause());
    }
}
