// Prints who signs in and out, for as long as it runs.
import java.util.concurrent.CompletionException;
import passkey.accounts.*;
import passkey.accounts.async.AsyncAccounts;

class PrintSignIns {
    public static void main(String[] arguments) {
        var environment = System.getenv();
        var url = environment.getOrDefault("PASSKEY_ACCOUNTS_URL", "ws://localhost:8080/");
        var apiKey = environment.getOrDefault("PASSKEY_ACCOUNTS_API_KEY", "");
        try (var accounts = new AsyncAccounts(Accounts.connect(url, apiKey))) {
            accounts.events().forEach(PrintSignIns::print).join();
        } catch (CompletionException error) {
            System.err.println(error.getCause().getMessage());
            System.exit(1);
        }
    }

    private static void print(Item item) {
        if (item instanceof Event event && event.getData() instanceof LoggedIn in) {
            System.out.println("signed in: " + in.getAccountId());
        } else if (item instanceof Event event && event.getData() instanceof LoggedOut out) {
            System.out.println("signed out: " + out.getAccountId());
        }
    }
}
